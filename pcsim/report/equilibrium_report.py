"""What a search for equilibria says of itself: how many samples got there, how fast, and why the others did not."""

from collections.abc import Sequence

import numpy as np

from pcsim.model.arithmetic import FORMATS
from pcsim.trace import Trace
from pcsim.typing import NDArray
from pcsim.words import count

NAMED = 8
"""Samples that are named one by one."""
NEAR_ROUNDING = 1e4
"""Units in the last place that a residual left by rounding can have, of the energy's scale."""


def search(trace: Trace) -> str:
    """Return how many samples are at their equilibrium, and in how many evaluations."""
    found = trace.equilibria
    there, spent = found["converged"] == 1, found["evaluations"]
    text = f"{int(there.sum())} of {count(len(there), 'sample')} at their equilibrium"
    if there.any():
        median, most = np.median(spent[there]), int(spent[there].max())
        text += f", in {median:g} evaluations (median), {most} at most; largest residual {_largest(found, there):.2g}"
    if "minimum" not in found:
        return text
    return f"{text}; {_minima(found, there)}"


def not_at_equilibrium(trace: Trace) -> list[str]:
    """Return a sentence on the samples that stalled, and one on those that ran out of evaluations."""
    found, sentences = trace.equilibria, list[str]()
    stalled = found["stalled"] == 1
    if stalled.any():
        sentences.append(
            f"Not at equilibrium: {samples(stalled)}, residual up to {_largest(found, stalled):.2g}: "
            f"{_why_stalled(trace, stalled)}"
        )
    late = (found["converged"] == 0) & ~stalled
    if late.any():
        sentences.append(
            f"Not at equilibrium: {samples(late)}, residual up to {_largest(found, late):.2g} after "
            f"{int(found['evaluations'][late].max())} evaluations: allow more inference.steps (they may not "
            "help relu, leaky_relu and max pools: along a kink the gradient jumps, and never vanishes)."
        )
    return sentences


def samples(chosen: NDArray[np.bool_]) -> str:
    """Return `sample 3`, `samples 3, 5` or, of many, the first and how many more."""
    numbers: Sequence[int] = np.flatnonzero(chosen).tolist()
    named = ", ".join(map(str, numbers[:NAMED]))
    more = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else ""
    return f"sample{'s' if len(numbers) > 1 else ''} {named}{more}"


def _why_stalled(trace: Trace, stalled: NDArray[np.bool_]) -> str:
    precision, found = str(trace.attributes["precision"]), trace.equilibria
    scale = 1.0 + np.sqrt(np.abs(found["energy"][stalled]))
    if bool(np.all(found["residual"][stalled] <= NEAR_ROUNDING * FORMATS[precision].unit * scale)):
        wider = ' or precision = "float64"' if precision == "float32" else ""
        return (
            f"the rounding floor of {precision} was reached before the threshold; give a larger "
            f"inference.stop.grad_norm{wider}."
        )
    return (
        "no step along any direction lowered the energy there, as at a kink (relu, leaky_relu, a max pool), where the "
        "gradient jumps and the equilibrium has none; smooth activations and average pools have no such places."
    )


def _minima(found: dict[str, NDArray[np.generic]], there: NDArray[np.bool_]) -> str:
    minima = found["minimum"] == 1
    least = f"smallest eigenvalue of their Hessians {_value(found, there):.3g}" if there.any() else "none to examine"
    if minima.sum() == there.sum():
        return f"all of them minima, {least}" if there.any() else least
    return f"no minima: {samples(there & ~minima)}, {least}"


def _value(found: dict[str, NDArray[np.generic]], which: NDArray[np.bool_]) -> float:
    return float(np.min(np.asarray(found["smallest_eigenvalue"], dtype=np.float64)[which]))


def _largest(found: dict[str, NDArray[np.generic]], which: NDArray[np.bool_]) -> float:
    return float(np.max(np.asarray(found["residual"], dtype=np.float64)[which]))
