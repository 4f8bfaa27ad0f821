"""How good outputs are, on the host: numpy arrays of a forward pass against targets."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

from pcsim.typing import NDArray


def correct_in_top(
    outputs: Shaped[NDArray[np.floating], "samples classes"],
    targets: Shaped[NDArray[np.floating], "samples classes"],
    k: int,
) -> Bool[NDArray[np.bool_], " samples"]:
    """Tell for every sample whether the target's largest entry is among the k largest outputs.

    Of equal outputs the first counts as larger, as in `argmax`. A sample with an output that is no number is wrong.
    """
    classes = np.arange(targets.shape[1])
    label = np.argmax(targets, axis=1)[:, None]
    chosen = np.take_along_axis(outputs, label, axis=1)
    ahead = (outputs > chosen) | ((outputs == chosen) & (classes < label))
    return (ahead.sum(axis=1) < k) & ~np.isnan(outputs).any(axis=1)


class Measures(NamedTuple):
    """What outputs for some samples come to, NaN where nothing was measured."""

    loss: float
    accuracy: float
    top5: float


UNMEASURED = Measures(np.nan, np.nan, np.nan)


def has_top_5(classes: int) -> bool:
    """Tell whether there are more classes than five, so that the five largest outputs can miss."""
    return classes > 5


def measures_of(
    losses: Float64[NDArray[np.float64], " parts"],
    outputs: Shaped[NDArray[np.floating], "samples units"],
    targets: Shaped[NDArray[np.floating], "samples units"],
    classes: int,
    boundary: float = 0.0,
) -> Measures:
    """Return the mean of losses, and the shares of samples right at once and in the top 5 of so many `classes`.

    Of two classes that one unit tells apart the second is where an output is above the `boundary`, a target above 0.
    """
    if classes and targets.shape[1] == 1:
        outputs, targets = (_two_columns(outputs, boundary), _two_columns(targets, 0.0))
    return Measures(
        float(losses.mean()),
        float(correct_in_top(outputs, targets, 1).mean()) if classes else np.nan,
        float(correct_in_top(outputs, targets, 5).mean()) if has_top_5(classes) else np.nan,
    )


def classes_of(
    values: Shaped[NDArray[np.floating], "samples units"], boundary: float
) -> Int64[NDArray[np.int64], " samples"]:
    """Return the class that each row says: its largest entry, or of one unit 1 above the `boundary`, else 0."""
    columns = _two_columns(values, boundary) if values.shape[1] == 1 else values
    return np.argmax(columns, axis=1).astype(np.int64)


def _two_columns(
    values: Shaped[NDArray[np.floating], "samples 1"], boundary: float
) -> Float64[NDArray[np.float64], "samples 2"]:
    """Return columns of which the first is larger up to the boundary, or as large, and the second beyond it."""
    above = values.astype(np.float64) - boundary
    return np.concatenate([-above, above], axis=1)
