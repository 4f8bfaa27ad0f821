"""From labels or target values to what the output layer is compared with."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from pcsim.errors import UsageError
from pcsim.typing import NDArray


@dataclass(frozen=True)
class End:
    """The end of a network that labels or target values belong to, as errors name it."""

    name: str
    place: str
    sizing: str

    def resized(self, units: int) -> str:
        """Return how to give this end so many units."""
        return f"{self.sizing} {units}"


INPUT = End("input", "first", "begin network.widths (or network.input) with")
OUTPUT = End("output", "last", "end network.widths (or network.layers, or network.output) in")


def targets(y: NDArray[Any], outputs: int, where: str, end: End = OUTPUT) -> Float64[np.ndarray, "samples {outputs}"]:
    """Return targets of shape (samples, outputs): one-hot rows for labels, target values as they are.

    Labels are a 1-D array of whole numbers from 0; 1-D floats with one output unit are values to regress on.
    `where` names the data in errors, `end` that of the network they are for. Raises UsageError when `y` does not fit
    `outputs`.
    """
    if y.ndim not in {1, 2} or len(y) == 0:
        raise UsageError(
            f"{where}: y has shape {y.shape}; allowed are labels (samples,) and targets (samples, {outputs})"
        )
    if y.ndim == 2:
        return _checked_width(y, outputs, where, end)
    if outputs == 1:
        return _column(y, where, end)
    return _one_hot(_whole(y, outputs, where, end), outputs, where, end)


def check_labels(y: NDArray[Any], outputs: int, where: str, end: End = OUTPUT) -> None:
    """Raise `UsageError` if labels of a whole data set, of which a run may see a few only, do not fit `outputs`."""
    if y.ndim != 1 or (outputs == 1 and y.dtype.kind == "f"):
        return
    _whole(y, outputs, where, end)
    low, high = int(y.min()), int(y.max())
    if outputs == 1:
        raise UsageError(
            f"{where}: labels run {low}..{high} but the network has 1 {end.name} unit, which tells 0 from 1 or -1 from"
            f" 1; {end.resized(max(high + 1, 2))}, or store y as floats to regress on"
        )
    if low < 0:
        raise UsageError(
            f"{where}: labels run {low}..{high} but the network has {outputs} {end.name} units; {end.resized(1)}, or"
            " store the labels 0 and 1"
        )
    _check_range(low, high, outputs, where, end)


def _checked_width(y: NDArray[Any], outputs: int, where: str, end: End) -> Float64[np.ndarray, "samples {outputs}"]:
    width = y.shape[1]
    if width != outputs:
        fix = "store labels as a 1-D array" if width == 1 else end.resized(width)
        raise UsageError(f"{where}: y has {width} columns but the network has {outputs} {end.name} units; {fix}")
    return y.astype(np.float64)


def _column(y: NDArray[Any], where: str, end: End) -> Float64[np.ndarray, "samples 1"]:
    if y.dtype.kind != "f":
        raise UsageError(
            f"{where}: labels run {y.min()}..{y.max()} but the network has 1 {end.name} unit;"
            f" {end.resized(max(int(y.max()) + 1, 2))}, or store y as floats to regress on"
        )
    return y.astype(np.float64)[:, np.newaxis]


def _whole(y: NDArray[Any], outputs: int, where: str, end: End) -> NDArray[Any]:
    if y.dtype.kind != "f":
        return y
    odd = np.flatnonzero(y != np.floor(y))
    if odd.size:
        raise UsageError(
            f"{where}: y[{odd[0]}] = {y[odd[0]]:g} is not a label (a whole number from 0 to {outputs - 1});"
            f" to regress on values give y the shape (samples, {outputs}), or the network 1 {end.name} unit"
        )
    return y


def _one_hot(labels: NDArray[Any], outputs: int, where: str, end: End) -> Float64[np.ndarray, "samples {outputs}"]:
    low, high = int(labels.min()), int(labels.max())
    if low < 0:
        first = int(np.flatnonzero(labels < 0)[0])
        raise UsageError(f"{where}: y[{first}] = {labels[first]:g} is negative; labels are whole numbers from 0")
    _check_range(low, high, outputs, where, end)
    hot = np.zeros((len(labels), outputs))
    hot[np.arange(len(labels)), labels.astype(np.int64)] = 1.0
    return hot


def _check_range(low: int, high: int, outputs: int, where: str, end: End) -> None:
    if high >= outputs:
        raise UsageError(
            f"{where}: labels run {low}..{high} but the network has {outputs} {end.name} units; {end.resized(high + 1)}"
        )
