"""Step sizes from curvature: what `step_size = "auto"` means.

Gradient descent on a quadratic energy is stable below 2/λ_max, the heavy ball with momentum µ below (1 + µ) 2/λ_max
(Polyak 1964), and a sweep layer by layer at least where gradient descent is (Householder-John). In general the energy
is not quadratic, and so the largest curvature is taken over the batch and over two Hessians: that at the start, and
Gauss-Newton's with the steepest curvature that the loss has anywhere, where inference may come to: a cross-entropy is
flat where the network is sure of a wrong answer. Of what is stable then, a fixed share is taken.
"""

from dataclasses import dataclass, replace
from math import prod

import numpy as np
from jaxtyping import Shaped

from pcsim.curvature.products import Curvature, error_curvature, state_curvature
from pcsim.curvature.spectrum import ROUGH, largest_eigenvalue, operator_of
from pcsim.inference import Inference
from pcsim.inference.steppers import Momentum, Stepper, innermost
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.energy import Clamped, Energy, States
from pcsim.model.losses import Loss

SHARE = 0.5
"""Of the largest stable step size."""
MOST_UNKNOWNS = 400_000
"""Of all samples that are looked at together: Lanczos keeps tens of vectors of them."""


def looked_at(energy: Energy, batch: int) -> slice:
    """Return the samples of a batch that a step size is found on: all, but the first few of large networks."""
    unknowns = sum(prod(shape) for shape in energy.network.state_shapes)
    return slice(max(1, min(batch, MOST_UNKNOWNS // max(1, unknowns))))


@dataclass(frozen=True)
class _AtItsBound:
    """Another loss at its minimum with the steepest curvature that it has anywhere."""

    loss: Loss

    def value(self, xp: Namespace, output: Array, target: Array) -> Shaped[Array, " batch"]:
        """Return the other loss."""
        return self.loss.value(xp, output, target)

    def error(self, xp: Namespace, output: Array, target: Array) -> Array:
        """Return zeros."""
        return xp.zeros_like(output)

    def curvature_bound(self, xp: Namespace, target: Array) -> Shaped[Array, "batch 1"] | float:
        """Return that of the other loss."""
        return self.loss.curvature_bound(xp, target)

    def curvature(self, xp: Namespace, output: Array, target: Array, v: Array) -> Array:
        """Return v times the steepest curvature."""
        return self.loss.curvature_bound(xp, target) * v

    def output_state(self, xp: Namespace, output: Array, target: Array) -> Array:
        """Return that of the other loss."""
        return self.loss.output_state(xp, output, target)


def largest_curvature(
    xp: Namespace,
    inference: Inference,
    parameters: tuple[Parameters, ...],
    x: Shaped[Array, "batch ..."],
    y: Shaped[Array, "batch outputs"],
    initial: States | None,
) -> float:
    """Return the largest curvature that inference is to reckon with from its start, over all samples of a batch.

    To a relative accuracy of 1e-2. Over states or errors, whichever the inference moves; `initial` are the variables at
    the start, None where it starts by itself. Arrays are numpy's, in float64.
    """
    found: list[float] = []
    for loss in (inference.energy.loss, _AtItsBound(inference.energy.loss)):
        energy = replace(inference.energy, loss=loss)
        curvature = curvature_of(xp, inference, energy, energy.clamp(xp, parameters, x, y), initial)
        found.append(largest_eigenvalue(operator_of(curvature), ROUGH))
    return float(np.max(found))


def curvature_of(
    xp: Namespace, inference: Inference, energy: Energy, clamped: Clamped, initial: States | None
) -> Curvature:
    """Return the Hessian over what the inference moves, at given variables or where it starts by itself."""
    states = energy.first_states(xp, clamped) if initial is None else initial
    if inference.traits.moves_errors:
        errors = tuple(xp.zeros_like(s) for s in states) if initial is None else initial
        return error_curvature(xp, energy, clamped, errors)
    return state_curvature(xp, energy, clamped, states)


def stable_limit(stepper: Stepper, curvature: float) -> float:
    """Return the step size below which the stepper is stable on a quadratic energy; infinite without curvature."""
    first = innermost(stepper)
    reach = 1.0 + first.momentum if isinstance(first, Momentum) else 1.0
    return np.inf if curvature <= 0 else 2.0 * reach / curvature


def automatic_step(stepper: Stepper, curvature: float) -> float:
    """Return the share of the stable limit that is taken, cut to three digits; 1 without curvature, NaN of NaN."""
    limit = SHARE * stable_limit(stepper, curvature)
    if not np.isfinite(limit):
        return 1.0 if limit > 0 else np.nan
    unit = 10.0 ** (np.floor(np.log10(limit)) - 2)
    return float(f"{np.floor(limit / unit) * unit:.3g}")
