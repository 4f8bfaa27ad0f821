"""Equilibrium propagation in deep linear networks: its energy is a quadratic form, too (thesis C.21–C.24)."""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from pcsim.curvature.blocks import is_number
from pcsim.errors import UsageError
from pcsim.linear.build import system
from pcsim.linear.quadratic import MOST_UNKNOWNS, QuadraticForm, States
from pcsim.model.arrays import Values
from pcsim.scenario import Scenario
from pcsim.trace import Trace
from pcsim.typing import NDArray


@dataclass(frozen=True)
class NudgedForm:
    """F_β = Σ_i (½ ‖s_i‖² − s_iᵀ ŝ_i) + β/2 ‖y − s_{N−1}‖² of a deep linear network, as ½ sᵀ H s − bᵀ s.

    `units` counts the units of every layer, the output's last: it is a state here. `hessian` is H: identities in its
    diagonal blocks, I + β in the last, −B_i beside them where layer i reads a state through B_i. `right` is b (batch,
    units): B_0 x and what biases add, and β y for the output, up to a constant.
    """

    units: tuple[int, ...]
    hessian: Float64[NDArray[np.float64], "unknowns unknowns"]
    right: Float64[NDArray[np.float64], "batch unknowns"]

    def eigenvalues(self) -> Float64[NDArray[np.float64], " unknowns"]:
        """Return the eigenvalues of H in ascending order; descent has somewhere to go where none is below 0."""
        return np.linalg.eigvalsh(self.hessian).astype(np.float64)

    @cached_property
    def _solution(self) -> Values:
        if not self.eigenvalues()[0] > 0.0:
            raise UsageError(
                "the energy of equilibrium propagation has no minimum in this network: its Hessian is not positive "
                "definite; use smaller weights, of spectral norm below ½ in a chain"
            )
        return np.linalg.solve(self.hessian, self.right.T).T.astype(np.float64)

    def equilibrium(self) -> States:
        """Return s* = H⁻¹ b, (batch, units) a layer, the output's last; `UsageError` where there is no minimum."""
        return tuple(np.split(self._solution, list(accumulate(self.units))[:-1], axis=1))


def nudged(source: Scenario | Trace | str | Path | QuadraticForm, y: Values, nudge: float) -> NudgedForm:
    """Return the energy of equilibrium propagation of a deep linear network with squared error, in float64.

    `source` is what `pcsim.linear.system` takes, or what it returns, with the target `y` (batch, outputs). Raises
    `UsageError` for a network that is not linear, a free input, precisions, activity decay, and more than 6000 units.
    """
    form = source if isinstance(source, QuadraticForm) else system(source)
    if form.has_free_input or any(form.decays) or not all(is_number(weight, 1.0) for weight in form.weights):
        raise UsageError("equilibrium propagation has neither a free input, nor precisions, nor activity decay")
    size = sum(form.units)
    if size > MOST_UNKNOWNS:
        raise UsageError(f"the Hessian has {size} rows, and up to {MOST_UNKNOWNS} are formed densely; use fewer units")
    edges = [0, *accumulate(form.units)]
    hessian = np.eye(size)
    last = slice(edges[-2], edges[-1])
    hessian[last, last] *= 1.0 + nudge
    for i, reads in enumerate(form.links):
        rows = slice(edges[i], edges[i + 1])
        for j, matrix in reads.items():
            columns = slice(edges[j], edges[j + 1])
            block = np.eye(form.units[i]) if matrix is None else matrix
            hessian[rows, columns] -= block
            hessian[columns, rows] -= block.T
    right = form.offsets.copy()
    # The quadratic form counts the output's error from the target.
    right[:, last] += (1.0 + nudge) * y
    return NudgedForm(form.units, hessian, right)
