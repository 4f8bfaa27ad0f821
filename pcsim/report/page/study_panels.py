"""What a page shows of a study: a table of its runs, and a panel for every other array of numbers it came to."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pcsim.report.page.panels import Panel, is_wide
from pcsim.report.page.series import Series
from pcsim.studies.results import Measured, Results
from pcsim.typing import NDArray

_MOST_COLUMNS = 400
_MOST_RUNS = 1000
_RUN = "run"
_STEPS = ("step", "row")
"""Axes that are drawn logarithmically though they are nothing but numbered."""


def study_panels(results: Results) -> list[Panel]:
    """Return a panel for every array of numbers along more than runs that is no coordinate of others.

    The longest axis but that of the runs is the clock, all others together are the columns, 400 at most.
    """
    own = [
        _panel(name, measured, results)
        for name, measured in results.items()
        if measured.values.dtype.kind in "fiub" and measured.values.size > 1 and measured.dims not in ((name,), (_RUN,))
    ]
    return [*_over_runs(results), *own]


def _over_runs(results: Results) -> list[Panel]:
    """Return panels of what has one value a run, over the whole number that most runs differ in.

    All other whole numbers and words that runs differ in tell the columns apart; there are no panels where several runs
    are the same in all of them.
    """
    along = {name: measured.values for name, measured in results.items() if measured.dims == (_RUN,) and name != _RUN}
    told = {n: values for n, values in along.items() if values.dtype.kind in "iuUO" and len(set(values.tolist())) > 1}
    counted = {name: len(set(values.tolist())) for name, values in told.items() if values.dtype.kind in "iu"}
    if not counted:
        return []
    over = max(counted, key=lambda name: counted[name])
    clock, place = np.unique(told.pop(over), return_inverse=True)
    texts = [
        values.tolist() if values.dtype.kind in "UO" else [f"{n} {v}" for v in values] for n, values in told.items()
    ]
    labels = [", ".join(parts) for parts in zip(*texts, strict=True)] or [over] * len(place)
    columns = list(dict.fromkeys(labels))
    column = np.array([columns.index(label) for label in labels])
    if len(set(zip(place.tolist(), column.tolist(), strict=True))) < len(place):
        return []
    found: list[Panel] = []
    for name, values in along.items():
        if values.dtype.kind == "f":
            table = np.full((len(clock), len(columns)), np.nan)
            table[place, column] = values
            found.append(_of_table(name, results[name], over, clock.astype(np.float64), table, columns))
    return found


def runs_table(results: Results) -> dict[str, Any] | None:
    """Return a table of what has one value a run, 1,000 runs at most; None where nothing has."""
    found = {name: measured.values for name, measured in results.items() if measured.dims == (_RUN,) and name != _RUN}
    if not found:
        return None
    lines = [[str(i), *map(_cell, row)] for i, row in enumerate(zip(*found.values(), strict=False))]
    return {"title": "Runs", "head": [_RUN, *found], "rows": lines[:_MOST_RUNS]}


def _panel(name: str, measured: Measured, results: Results) -> Panel:
    lengths = [0 if dim == _RUN else length for dim, length in zip(measured.dims, measured.values.shape, strict=True)]
    axis = int(np.argmax(lengths))
    values = np.moveaxis(np.asarray(measured.values, dtype=np.float64), axis, 0)
    others = [dim for i, dim in enumerate(measured.dims) if i != axis]
    labels = _labels(others, values.shape[1:], results)
    clock = _clock(measured.dims[axis], len(values), results)
    return _of_table(name, measured, measured.dims[axis], clock, values.reshape(len(values), -1), labels or [name])


def _of_table(
    name: str,
    measured: Measured,
    dim: str,
    clock: NDArray[np.float64],
    values: NDArray[np.float64],
    labels: list[str],
) -> Panel:
    table = values[:, :_MOST_COLUMNS]
    unit = f" ({measured.unit})" if measured.unit else ""
    cut = f": the first {_MOST_COLUMNS} of {len(labels)} columns" if len(labels) > _MOST_COLUMNS else ""
    return Panel(
        f"study {name}",
        f"{measured.meaning or name}{cut}",
        dim,
        f"{name}{unit}",
        labels[:_MOST_COLUMNS],
        Series(len(table), table.shape[1], lambda rows: clock[rows], lambda rows: table[rows]),
        log_x=is_wide(clock) and (dim in _STEPS or not np.array_equal(clock, np.arange(len(clock)))),
        log_y=is_wide(table),
        ordered=table.shape[1] > 1,
    )


def _clock(dim: str, length: int, results: Mapping[str, Measured]) -> NDArray[np.float64]:
    """Return the coordinate of an axis, or its numbers where it has none that rises."""
    found = results[dim].values if dim in results and results[dim].dims == (dim,) else np.empty(0)
    if found.dtype.kind in "fiu" and found.shape == (length,):
        values = found.astype(np.float64)
        if np.isfinite(values).all() and bool(np.all(np.diff(values) > 0)):
            return values
    return np.arange(length, dtype=np.float64)


def _labels(dims: list[str], shape: tuple[int, ...], results: Mapping[str, Measured]) -> list[str]:
    """Return what a column is of: the coordinates of its place along every axis, or what texts say of it."""
    named = [_names(dim, length, results) for dim, length in zip(dims, shape, strict=True)]
    return [", ".join(names[i] for names, i in zip(named, place, strict=True)) for place in np.ndindex(*shape)]


def _names(dim: str, length: int, results: Mapping[str, Measured]) -> list[str]:
    along = {
        name: measured.values
        for name, measured in results.items()
        if measured.dims == (dim,) and measured.values.shape == (length,)
    }
    if dim in along:
        return [value if isinstance(value, str) else f"{dim} {value:g}" for value in along[dim].tolist()]
    texts = [values for values in along.values() if values.dtype.kind in "UO"]
    return [" ".join([f"{dim} {i}", *(str(values[i]) for values in texts)]) for i in range(length)]


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
