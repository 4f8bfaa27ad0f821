"""What the arrays of a trace must be like, whatever program wrote it, and why one may be missing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pcsim.errors import UsageError
from pcsim.trace.opening import check_claims
from pcsim.trace.training import ALIGNMENT, GROUP

_ENTRIES = 64
"""Datasets in one group for each layer, at most: parameters of all kinds, and scales of their axes."""
_BY_ROW_AND_LAYER = {
    "energy",
    "energy_bound",
    "grad_norm",
    *(f"{GROUP}/{name}" for name in ("energy", "update_ratio", *ALIGNMENT)),
}
_BY_LAYER = {"layer_width", "arrival_step", "arrival_time"}


class Attributes(dict[str, Any]):
    """The attributes of a trace by name; UsageError for one that it has not got."""

    def __init__(self, found: Mapping[str, Any], path: Path | None) -> None:
        super().__init__(found)
        self._path = path

    def __missing__(self, name: str) -> Any:
        raise UsageError(f"{self._path or 'the trace'} has no attribute {name}, which every run of pcsim writes")


def check_array(trace: Path | str, path: str, item: Any, layers: int) -> None:
    """Raise `UsageError` unless a dataset holds real numbers in the shape that its name stands for."""
    if item.shape is None:
        raise UsageError(f"{trace}: {path} holds no values")
    wanted = _shape(path, layers)
    if wanted is not None:
        fits = len(wanted) == len(item.shape) and all(n in (m, None) for n, m in zip(wanted, item.shape, strict=True))
        if not fits:
            words = " × ".join("any" if n is None else str(n) for n in wanted)
            raise UsageError(f"{trace}: {path} has shape {item.shape}; with {layers} layers it must be {words}")
    if item.dtype.kind not in "fiub":
        raise UsageError(f"{trace}: {path} holds {item.dtype}, expected real numbers")


def whole_numbers(item: Any) -> tuple[int, ...]:
    """Return the values of a dataset along one axis; ValueError where they are no whole numbers."""
    values = item[()]
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all() or (values % 1).any():
        raise ValueError(f"{item.name} holds no whole numbers")
    return tuple(map(int, values))


def datasets_of(file: Any, path: str, layers: int) -> dict[str, Any]:
    """Return the datasets in a group by name; ValueError where they are too many or too large for this file."""
    names = list(file[path])
    if len(names) > _ENTRIES * (1 + layers):
        raise ValueError(f"{len(names)} entries in {path}")
    found = {name: file[f"{path}/{name}"] for name in names}
    check_claims(list(found.values()))
    return found


def require_open(file: Any, path: Path | None) -> None:
    """Raise `UsageError` for a trace that has been closed."""
    if not file:
        again = f'open it again: pcsim.open_trace("{path}")' if path else "it was in memory only: run again"
        raise UsageError(f"{path or 'the trace'} is closed; {again}")


def hint(path: str) -> str:
    """Return why a trace may not hold an array, as the end of a sentence."""
    if path.startswith(("final", "arrival", "solver", "equilibrium")):
        return "; it is written when a run ends"
    if path.startswith("network"):
        return ""
    if path.startswith(GROUP):
        return "; runs that train write it"
    if path.startswith("data"):
        return "; every run writes it"
    return f'; record it with [trace] record = ["{path.partition("/")[0]}"]'


def _shape(path: str, layers: int) -> tuple[int | None, ...] | None:
    group = path.rpartition("/")[0]
    if path in _BY_ROW_AND_LAYER:
        return (None, layers)
    if path == "energy_per_sample":
        return (None, layers, None)
    if path in _BY_LAYER:
        return (layers,)
    return (None,) if path in ("step", "time") or group in (GROUP, "solver", "equilibrium") else None
