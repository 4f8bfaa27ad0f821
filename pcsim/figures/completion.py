"""What inference made of masked samples, beside the samples themselves and a guess that knows nothing of them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from pcsim.trace import Trace
from pcsim.typing import NDArray


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
            completed = np.where(mask, values.reshape(truth.shape), truth)
            found.append(Completion(end, mask, completed, truth, trace.array("data/mean")))
    return found


def of_free_ends(trace: Trace) -> list[str]:
    """Return sentences on how well masked units were completed, and on a free input that is not determined."""
    return [*_completed(trace), *_undetermined(trace)]


def _completed(trace: Trace) -> list[str]:
    """How well masked units were completed, beside the mean sample."""
    return [
        f"Masked units of the {found.end} ({found.mask.sum()} of {found.mask.size}) were completed with a mean squared "
        f"error of {found.error:.4g}; the mean of the training samples has {found.baseline:.4g}."
        for found in completions(trace)
    ]


def _undetermined(trace: Trace) -> list[str]:
    """A free input that is wider than what it has to explain: the energy is flat along some of its directions.

    Not where it is predicted from above.
    """
    if "final/input" not in trace or "network/TW_0" in trace:
        return []
    masked = str(trace.attributes.get("masked", "")).split()
    hidden = int(np.count_nonzero(trace.array("data/mask"))) if masked else 0
    widths = [int(width) for width in trace.layer_widths]
    free = hidden if "input" in masked else trace.array("final/input").shape[1]
    known = widths[-1] - (hidden if "output" in masked else 0)
    narrow, place = min((widths[0], "units of layer 0"), (known, "units of the target"))
    if free <= narrow:
        return []
    what = "masked units of the input" if "input" in masked else "units of the free input"
    return [
        f"The {free} {what} are more than the {narrow} {place}: many inputs have the same energy, and which of them "
        "inference ends at is decided by where it starts."
    ]


def _mean_square(values: NDArray[np.float64]) -> float:
    return float(np.mean(values * values))
