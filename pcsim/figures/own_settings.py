"""Matplotlib with settings of the project's own, whatever the user has set."""

import logging
import os
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

from pcsim.errors import UsageError


@contextmanager
def own_settings() -> Generator[None]:
    """Draw until left as Matplotlib does where nobody has set anything, and without its warnings; also a decorator.

    The user's settings are as they were afterwards. Raises `UsageError` where Matplotlib cannot be imported.
    """
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        matplotlib = _imported()
        usual = {name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"}
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
