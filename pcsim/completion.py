"""What inference made of masked samples, beside the samples themselves and a guess that knows nothing of them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import NDArray

from pcsim.trace import Trace


@dataclass(frozen=True)
class Completion:
    """Masked samples as one end of a network completes them, all in the units of the data.

    `end` is `input` or `output`, `mask` true where a sample was hidden, `mean` that of the samples to learn from.
    """

    end: str
    mask: Bool[NDArray[np.bool_], " units"]
    completed: Float64[NDArray[np.float64], "batch units"]
    truth: Float64[NDArray[np.float64], "batch units"]
    mean: Float64[NDArray[np.float64], " units"]

    @property
    def error(self) -> float:
        """Mean squared error of the completed samples over the masked units."""
        return _mean_square((self.completed - self.truth)[:, self.mask])

    @property
    def baseline(self) -> float:
        """The same of the mean sample."""
        return _mean_square((self.mean - self.truth)[:, self.mask])


def completions(trace: Trace) -> list[Completion]:
    """Return how each masked end of a run completed the samples: the input as it was inferred, the output predicted."""
    found: list[Completion] = []
    for end in str(trace.attributes.get("masked", "")).split():
        if f"final/{end}" in trace:
            mask = trace.array("data/mask").astype(np.bool_)
            truth, values = (trace.array(path).astype(np.float64) for path in ("data/truth", f"final/{end}"))
            found.append(Completion(end, mask, np.where(mask, values, truth), truth, trace.array("data/mean")))
    return found


def _mean_square(values: NDArray[np.float64]) -> float:
    return float(np.mean(values * values))
