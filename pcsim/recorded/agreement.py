"""Provenance of recorded errors: whether they are those of the recorded states, parameters and targets."""

import numpy as np

from pcsim.errors import UsageError
from pcsim.inference import Inference
from pcsim.model.arithmetic import NARROW, significand_bits
from pcsim.model.arrays import Parameters
from pcsim.model.energy import Evaluation
from pcsim.model.layers import BatchNorm, Branch, Scale
from pcsim.recorded.network import called, precision_of
from pcsim.recorded.point import RecordedPoint
from pcsim.recorded.verification import SOLVER_MARGIN
from pcsim.scenario import Scenario
from pcsim.trace import Trace
from pcsim.typing import NDArray

UNITS = 16
"""How many units in the last place an error may be off by; measured on every backend and precision is 1 at most."""
LARGEST_BITS = 53
"""Of the float64 in which traces hold what more exact runs compute."""


def check_agreement(
    trace: Trace, scenario: Scenario, inference: Inference, recorded: RecordedPoint, point: Evaluation
) -> None:
    """Raise `UsageError`, naming layers, unless recorded errors are those of `point`, formed again from the states.

    That is s_i − ŝ_i, and −∂ℓ/∂ŷ for the output. They may differ by rounding: some units in the last place of what is
    subtracted, more where the errors were carried beside the states for many steps. Where hidden layers' errors are
    no such differences, as those of backpropagation, the output's alone are compared.
    """
    sizes = _sizes(inference, recorded, point)
    allowed = [share * size for share, size in zip(_shares(trace, scenario, inference), sizes, strict=True)]
    first = 0 if inference.traits.has_differences else len(sizes) - 1
    names = trace.layer_names
    apart: list[tuple[str, float, float]] = []
    flipped: list[str] = []
    for i in range(first, len(sizes)):
        given, formed = recorded.errors[i], point.errors[i]
        off = float(np.abs(given - formed).max())
        if off <= allowed[i]:
            continue
        if float(np.abs(given + formed).max()) <= allowed[i]:
            flipped.append(names[i])
        apart.append((names[i], off, allowed[i]))
    if flipped and len(flipped) == len(apart):
        raise UsageError(
            f"{called(trace)}: the errors of {', '.join(flipped)} have the opposite sign: pcsim's are s − ŝ, and "
            f"−∂ℓ/∂ŷ for the output; multiply final/errors by −1"
        )
    if apart:
        name, off, most = max(apart, key=lambda each: each[1] / each[2] if each[2] else np.inf)
        others = f" (and those of {len(apart) - 1} more)" if len(apart) > 1 else ""
        raise UsageError(
            f"{called(trace)}: the errors of {name}{others} are not those of its states and parameters: they differ "
            f"from {'−∂ℓ/∂ŷ' if name == names[-1] else 's − ŝ'} by up to {off:.2g}, rounding explains {most:.2g}; "
            "final states, errors, parameters and data must be of the same moment"
        )


def _shares(trace: Trace, scenario: Scenario, inference: Inference) -> list[float]:
    """Return how far every layer's errors may be off, as a share of what is subtracted."""
    unit = 2.0 ** (1 - min(significand_bits(precision_of(trace)), LARGEST_BITS))
    network, table = inference.energy.network, scenario.inference
    widths = [max((p.fans[0] for p in parameters.values()), default=1) for parameters in network.parameters]
    narrow = table.accumulate in NARROW
    shares = [unit * (UNITS + (width if narrow else 0)) for width in widths]
    if inference.traits.freezes_predictions:
        # predictions are those of a pass from the input, where rounding adds up
        shares = [share * (i + 1) for i, share in enumerate(shares)]
    if inference.traits.carries_errors:
        shares = [share + _drift(trace, scenario, unit) for share in shares]
    return shares


def _drift(trace: Trace, scenario: Scenario, unit: float) -> float:
    """Return how far errors that are carried may get from s − ŝ, as a share of the states."""
    table = scenario.inference
    if table.solver is None:
        return unit * float(trace.attributes.get("steps_taken", table.steps))
    # with constant steps they are as far as the steps are long, which nobody knows
    return np.inf if table.tolerances is None else SOLVER_MARGIN * sum(table.tolerances)


def _sizes(inference: Inference, recorded: RecordedPoint, point: Evaluation) -> list[float]:
    """Return what an error of every layer is a difference of, at most: states, predictions, products summed in them.

    The last are bounded by ‖s‖ ‖w‖, with weights w into one unit.
    """
    layers, inputs = inference.energy.network.layers, (*recorded.states, recorded.x)
    upper = (*recorded.states, recorded.y)
    found: list[float] = []
    for i, layer in enumerate(layers):
        summed = sum(_summed(branch, recorded.parameters[i], inputs[branch.source]) for branch in layer.branches)
        found.append(_largest(upper[i]) + _largest(point.predictions[i]) + summed)
    return found


def _summed(branch: Branch, parameters: Parameters, s: NDArray[np.float64]) -> float:
    """Return what a branch with weights adds up for one unit, at most; activations make no more of it."""
    own, weighted = branch.own(parameters), False
    size = _largest_norm(s.reshape(len(s), -1), 1)
    for part in branch.chain.parts:
        match part:
            case Scale(factor):
                size *= abs(factor)
            case BatchNorm():
                slope = np.abs(own["gamma"]) / np.sqrt(own["variance"] + part.eps)
                size = size * _largest(slope) + _largest(own["beta"]) + _largest(slope * own["mean"])
            case _:
                for name, parameter in part.parameters.items():
                    if parameter.start == "drawn":
                        size *= _largest_norm(own[name].reshape(-1, parameter.shape[-1]), 0)
                        weighted = True
    return size if weighted else 0.0


def _largest_norm(array: NDArray[np.float64], axis: int) -> float:
    return float(np.sqrt((array * array).sum(axis=axis)).max())


def _largest(array: NDArray[np.float64]) -> float:
    return float(np.abs(array).max())
