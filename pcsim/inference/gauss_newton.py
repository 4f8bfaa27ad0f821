"""The Gauss-Newton matrix of the energy over the errors, I + AᵀΛA, inverted once: where a search is to start from.

A = ∂ŷ/∂ε has as many rows as the network has outputs, and so the inverse is the identity but for that many directions
(model: section 4).
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Shaped

from pcsim.inference.pairs import PairNamespace
from pcsim.model.arrays import Array
from pcsim.model.energy import Clamped, Energy, Evaluation
from pcsim.model.flat import Flat
from pcsim.model.losses import SoftClampedSquaredError, SquaredError, unweighted

MOST_OUTPUTS = 16
"""At 24 the pullbacks and the products with so many directions cost more than the evaluations they save."""
SHORT_OF_ONE = 1.0 - 1e-4
"""Times the directions' lengths: rounding must not make the inverse indefinite."""


def pullbacks(energy: Energy) -> int:
    """Return how many pullbacks through the network `directions` takes, 0 where they do not pay.

    The curvature Λ of the output loss has to be a number: where it moves, the matrix tells too little of what is ahead.
    """
    outputs = energy.network.layer_shapes[-1][0]
    constant = isinstance(unweighted(energy.loss), SquaredError | SoftClampedSquaredError)
    return outputs if constant and energy.network.state_shapes and outputs <= MOST_OUTPUTS else 0


def worth(energy: Energy) -> int:
    """Return how many evaluations `directions` costs: the pass to the point and every pullback count half of one."""
    count = pullbacks(energy)
    return (count + 2) // 2 if count else 0


def directions(
    xp: PairNamespace, energy: Energy, clamped: Clamped, point: Evaluation
) -> Shaped[Array, "batch outputs n"]:
    """Return R with (I + AᵀΛA)⁻¹ = I − RᵀR at a point: one more row of A at a time (Sherman & Morrison 1950)."""
    layout = Flat(energy.network.state_shapes)
    undecayed = replace(energy, decays=(0.0,) * len(energy.decays))
    stretch = 1.0 / energy.loss.curvature_bound(xp, clamped.y)
    found: Shaped[Array, "batch rows n"] | None = None
    for unit in np.eye(pullbacks(energy)):
        one = (xp.zeros_like(point.output) + unit).astype(point.output.dtype)
        pulled = undecayed.backpropagated(xp, clamped, replace(point, errors=(*point.errors[:-1], -one)))
        row = layout.join(xp, pulled, point.output)
        rest = row if found is None else within(found, row)
        length = xp.sqrt(stretch + xp.maximum(xp.dot(row, rest), 0.0))
        new = (rest / length[:, None].astype(rest.dtype))[:, None]
        found = new if found is None else xp.concatenate([found, new], axis=1)
    if found is None:
        raise TypeError("no outputs")
    finite = xp.where(xp.abs(found) < np.inf, found, 0.0)
    return (SHORT_OF_ONE * finite).astype(point.output.dtype)


def within(rows: Shaped[Array, "batch rows n"], v: Shaped[Array, "batch n"]) -> Shaped[Array, "batch n"]:
    """Return (I − RᵀR) v."""
    weights = rows @ v[:, :, None]
    return v - (weights.swapaxes(1, 2) @ rows)[:, 0, :]
