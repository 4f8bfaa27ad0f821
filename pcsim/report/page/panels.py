"""The panels of a trace: what is drawn of inference and of training, each numbers over a clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pcsim.report.page.series import Series, written
from pcsim.trace import Trace
from pcsim.typing import NDArray

_WIDE = 30.0
"""Positive numbers are drawn on a logarithmic axis where the largest is so many times the smallest."""
_PROBE = 4096
_PARTS = {"train": "training", "validation": "validation", "test": "test"}
_BY_LAYER = {
    "cosine": ("Cosine to backpropagation", "cosine of the first update of an epoch"),
    "norm_ratio": ("Size of updates beside backpropagation's", "‖PC‖/‖BP‖"),
    "update_ratio": ("How far weights move", "‖ΔW‖/‖W‖ of the first update of an epoch"),
}
"""Title and axis of what was measured of every layer in every epoch."""


@dataclass(frozen=True)
class Panel:
    """One figure of the page: lines, and a heat map where its columns are ordered."""

    id: str
    title: str
    x: str
    y: str
    columns: Sequence[str]
    series: Series
    log_x: bool = False
    log_y: bool = True
    ordered: bool = True
    """Whether the columns are a sequence, such as layers, and not measures side by side."""

    def as_json(self, most: int, since: int = 0) -> dict[str, Any]:
        """Return the panel with at most so many numbers, of rows from `since` on."""
        return {
            "id": self.id,
            "title": self.title,
            "x": self.x,
            "y": self.y,
            "columns": list(self.columns),
            "logX": self.log_x,
            "logY": self.log_y,
            "ordered": self.ordered,
            "rows": written(self.series, most, since),
        }


def panels_of(trace: Trace) -> list[Panel]:
    """Return the panels of a single run, how training went first; none of what was not recorded."""
    return [*_curves(trace), *_by_update(trace), *_by_layer(trace), *_inference(trace), *_measures(trace)]


def is_wide(values: NDArray[Any]) -> bool:
    """Tell whether numbers ask for a logarithmic axis: none is negative, and positive ones span decades."""
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    return not (finite < 0).any() and positive.size > 0 and bool(positive.max() > _WIDE * positive.min())


def _inference(trace: Trace) -> list[Panel]:
    if "energy" not in trace or not trace.rows:
        return []
    series = Series(
        trace.rows,
        len(trace.layer_names),
        lambda rows: trace.array(trace.clock, rows),
        lambda rows: trace.array("energy", rows),
    )
    title = "Energy by layer after training" if trace.training else "Energy by layer"
    clock = "inference step" if trace.clock == "step" else "time"
    return [Panel("energy", title, clock, "energy (batch mean)", trace.layer_names, series, log_x=True)]


def _curves(trace: Trace) -> list[Panel]:
    """Return panels of accuracies, and of losses, by epoch."""
    found: list[Panel] = []
    if not trace.rows_by_clock.get("training/epoch", 0):
        return found
    for measure, title in (("accuracy", "Accuracy"), ("loss", "Loss")):
        names = {word: f"training/{part}_{measure}" for part, word in _PARTS.items()}
        known = {word: trace.array(name) for word, name in names.items() if name in trace}
        names = {word: names[word] for word, values in known.items() if np.isfinite(values).any()}
        if names:
            log = measure == "loss" and is_wide(np.concatenate([known[word] for word in names]))
            series = _along(trace, "epoch", list(names.values()))
            found.append(Panel(measure, title, "epoch", measure, list(names), series, log_y=log, ordered=False))
    return found


def _by_update(trace: Trace) -> list[Panel]:
    if not trace.rows_by_clock.get("training/update", 0):
        return []
    energy = _along(trace, "update", ["training/energy"], len(trace.layer_names))
    title = "Energy by layer at the end of the inference of each update"
    return [Panel("update-energy", title, "update", "energy (batch mean)", trace.layer_names, energy)]


def _measures(trace: Trace) -> list[Panel]:
    """Return panels of what has one number an update: the loss of its batch, and its steps of inference."""
    if not trace.rows_by_clock.get("training/update", 0):
        return []
    words = {"loss": "Loss of batches", "steps": "Steps of inference"}
    return [
        Panel(
            f"update-{name}",
            title,
            "update",
            name,
            [name],
            _along(trace, "update", [f"training/{name}"]),
            log_y=is_wide(trace.array(f"training/{name}", slice(_PROBE))),
            ordered=False,
        )
        for name, title in words.items()
        if f"training/{name}" in trace
    ]


def _by_layer(trace: Trace) -> list[Panel]:
    if not trace.rows_by_clock.get("training/epoch", 0):
        return []
    return [
        Panel(
            name.replace("_", "-"),
            title,
            "epoch",
            axis,
            trace.layer_names,
            _along(trace, "epoch", [f"training/{name}"], len(trace.layer_names)),
            log_y=name != "cosine",
        )
        for name, (title, axis) in _BY_LAYER.items()
        if f"training/{name}" in trace
    ]


def _along(trace: Trace, clock: str, names: Sequence[str], columns: int = 1) -> Series:
    """Return arrays of training side by side, each of so many columns."""

    def values(rows: slice) -> NDArray[Any]:
        return np.column_stack([trace.array(name, rows) for name in names])

    rows = trace.rows_by_clock[f"training/{clock}"]
    return Series(rows, columns * len(names), lambda rows: trace.array(f"training/{clock}", rows), values)
