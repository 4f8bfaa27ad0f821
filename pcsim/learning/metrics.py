"""How good outputs are, on the host: numpy arrays of a forward pass against targets."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Shaped
from numpy.typing import NDArray


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
) -> Measures:
    """Return the mean of losses, and the shares of samples right at once and in the top 5 of so many `classes`."""
    return Measures(
        float(losses.mean()),
        float(correct_in_top(outputs, targets, 1).mean()) if classes else np.nan,
        float(correct_in_top(outputs, targets, 5).mean()) if has_top_5(classes) else np.nan,
    )
