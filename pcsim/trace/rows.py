"""Which rows of a trace are whole: those whose clock was written, in every dataset along that clock."""

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from pcsim.trace.training import BY_EVALUATION, BY_UPDATE, EPOCH, EVALUATION, GROUP, UPDATE

_TAIL = 4096
_NAMES = ("step", "time", "energy", "energy_bound", "grad_norm", "energy_per_sample")
_GROUPS = ("states", "errors", GROUP)
"""What grows in the root, and groups where datasets grow."""
_WORDS = {UPDATE: "updates", EPOCH: "epochs", EVALUATION: "evaluations"}


def grows(item: Any) -> bool:
    """Tell whether a dataset gets rows while the run is on."""
    return isinstance(item, h5py.Dataset) and bool(item.maxshape) and item.maxshape[0] is None


def clock_of(path: str, inference: str) -> str:
    """Return the path of the clock that the growing dataset at `path` follows, its own where it is a clock.

    `inference` is the clock of inference, `step` or `time`.
    """
    group, _, name = path.rpartition("/")
    if group != GROUP:
        return inference
    return UPDATE if name in BY_UPDATE else EVALUATION if name in BY_EVALUATION else EPOCH


def growing_by_clock(file: Any) -> dict[str, list[Any]]:
    """Return the datasets that grow, the clock among them, by the path of their clock."""
    found: dict[str, list[Any]] = {}
    inference = "step" if "step" in file else "time"
    names = [name for name in _NAMES if name in file]
    names += [f"{group}/{name}" for group in _GROUPS if group in file for name in file[group]]
    for name in names:
        item = file[name]
        if grows(item):
            found.setdefault(clock_of(name, inference), []).append(item)
    return found


def whole_rows(clock: Any, growing: list[Any]) -> int:
    """Return how many rows are whole: in every dataset along the clock, with a clock that was written."""
    rows = min(dataset.shape[0] for dataset in (clock, *growing))
    while rows:
        start = max(0, rows - _TAIL)
        values = clock[start:rows]
        written = np.flatnonzero(values >= 0 if values.dtype.kind == "i" else ~np.isnan(values))
        if written.size:
            return start + int(written[-1]) + 1
        rows = start
    return 0


def rows_in_words(rows: Mapping[str, int]) -> str:
    """Return how many rows there are along every clock: `5 rows, 900 updates and 2 epochs`."""
    words = [f"{count} {_WORDS.get(clock, 'rows')}" for clock, count in rows.items()]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
