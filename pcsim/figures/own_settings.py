"""Matplotlib with settings of the project's own, whatever the user has set."""

import logging
import os
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

from pcsim.errors import UsageError

_OURS: dict[str, Any] = {
    "axes.titlesize": 9,
    "legend.fontsize": 7,
    # Text stays text: letters that other programs can edit and journals accept, no Type 3.
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
}
_PAPER: dict[str, Any] = {
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.handlelength": 1.2,
    "legend.labelspacing": 0.3,
    "axes.linewidth": 0.6,
    "axes.labelpad": 2,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "lines.markersize": 3,
}
"""For a column of a journal: no letter smaller than 6 points."""


@contextmanager
def own_settings(*, paper: bool = False) -> Generator[None]:
    """Draw until left as Matplotlib does where nobody has set anything, and without its warnings; also a decorator.

    For a `paper` letters and lines are small. The user's settings are as they were afterwards. Raises `UsageError`
    where Matplotlib cannot be imported.
    """
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        matplotlib = _imported()
        usual = {name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"}
        usual |= _OURS | (_PAPER if paper else {})
        with warnings.catch_warnings():
            # A title in a script that no font here has is no fault of the run.
            warnings.simplefilter("ignore", UserWarning)
            with matplotlib.rc_context(usual):
                yield
    finally:
        logger.setLevel(level)


def _imported() -> Any:
    """Import Matplotlib, which fails where MPLBACKEND names a canvas that is not there: ours is another."""
    first = "matplotlib" not in sys.modules
    canvas = os.environ.pop("MPLBACKEND", None) if first else None
    try:
        import matplotlib
    except (ImportError, OSError, ValueError) as error:
        raise UsageError(
            f"Matplotlib cannot be imported ({error}); install it again, or mend its settings file, matplotlibrc"
        ) from error
    finally:
        if canvas is not None:
            os.environ["MPLBACKEND"] = canvas
    if canvas is not None:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = canvas
    return matplotlib
