"""Deep linear networks with squared error: their energy is a quadratic form, and so everything is known.

All errors, the output's last, are e = A s − d for the free states s of one sample in a row, and
E = ½ eᵀ w e + ½ Σ δ s² with w the precisions (the output's is 1, or γ/(1+γ) clamped softly). Hence the activity
Hessian H = Aᵀ w A + δ and the right-hand side Aᵀ w d (thesis C.9, C.19; model: section 4). A is known by the matrices
through which layers read states: what needs H itself forms it in blocks, nothing else does.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from pcsim.curvature import BlockCholesky, BlockMatrix, Extremes, NotPositiveDefinite, block_extremes
from pcsim.curvature.blocks import NEARLY_SINGULAR, Links, Weight, assemble, is_number
from pcsim.curvature.spectrum import DENSE, largest_eigenvalue, smallest_eigenvalue, symmetric_operator
from pcsim.errors import UsageError
from pcsim.model.arrays import Values
from pcsim.model.flat import Flat
from pcsim.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import bsr_array
    from scipy.sparse.linalg import LinearOperator

MOST_UNKNOWNS = 6000
"""Largest Hessian that is formed densely: 0.3 GB, and minutes for all its eigenvalues."""
MOST_BYTES = 2 * 1024**3
"""Largest Hessian in blocks together with its Cholesky factor: 128 layers of 512 need half of it."""

States = tuple[Values, ...]
"""One array (batch, units) a free state, a free input first."""


@dataclass(frozen=True)
class QuadraticForm:
    """The energy of a batch in a deep linear network as ½ (A s − d)ᵀ w (A s − d) + ½ Σ δ s².

    `units` counts the units of every layer, the output's last; `unknowns` below is their sum without the output,
    `errors` with it. `links` are the states every layer reads and the matrices that act on them, `offsets` d, `weights`
    w (one a layer, a number or a matrix of its units) and `decays` δ (one a state). Where `has_free_input` layer 0 is
    the input, w = 0 its weight.
    """

    units: tuple[int, ...]
    links: tuple[Links, ...]
    offsets: Float64[NDArray[np.float64], "batch errors"]
    weights: tuple[Weight, ...]
    decays: tuple[float, ...]
    has_free_input: bool = False

    @property
    def unknowns(self) -> int:
        """Units of all free states: rows of the Hessian."""
        return sum(self.units[:-1])

    def hessian(self) -> Float64[NDArray[np.float64], "unknowns unknowns"]:
        """Return the activity Hessian H of one sample's energy, free states in order.

        Raises `UsageError` where it has more than 6000 rows.
        """
        if self.unknowns > MOST_UNKNOWNS:
            raise UsageError(
                f"the Hessian has {self.unknowns} rows, and up to {MOST_UNKNOWNS} are formed densely; use "
                "sparse_hessian(), operator() and condition_number(), or fewer or narrower layers"
            )
        return self.blocks.dense()

    def sparse_hessian(self) -> "bsr_array":
        """Return H as SciPy's sparse array in blocks of layers; raises `UsageError` beyond 2 GB."""
        return self.blocks.sparse()

    def operator(self) -> "LinearOperator":
        """Return H as SciPy's operator, which never forms it: Aᵀ w A + δ."""

        def product(v: Values) -> Values:
            rows = v.reshape(1, -1)
            return (self.pull(self._weighted(self.push(rows))) + self._decay_of_units * rows).reshape(-1)

        return symmetric_operator(self.unknowns, product)

    @cached_property
    def blocks(self) -> BlockMatrix:
        """H in blocks of layers: tridiagonal in a chain, and banded as far as skips reach."""
        self._require_memory()
        return assemble(self.units[:-1], self.links, self.weights, dict(enumerate(self.decays)))

    def eigenvalues(self) -> Float64[NDArray[np.float64], " unknowns"]:
        """Return the whole spectrum of H in ascending order; raises `UsageError` where `hessian` does."""
        return np.asarray(np.linalg.eigvalsh(self.hessian()), dtype=np.float64)

    @cached_property
    def extremes(self) -> Extremes:
        """Smallest and largest eigenvalue of H: dense where small, else by Lanczos on H and on its inverse.

        Raises `UsageError` where H is singular to rounding, or too large to factorise.
        """
        if not self.unknowns:
            return Extremes(0.0, 0.0)
        try:
            if self.unknowns <= DENSE:
                return block_extremes(self.blocks)
            found = Extremes(smallest_eigenvalue(self._factor), largest_eigenvalue(self.operator()))
        except NotPositiveDefinite as error:
            raise self._singular() from error
        if found.smallest < NEARLY_SINGULAR * found.largest:
            raise self._singular()
        return found

    def condition_number(self) -> float:
        """Return λ_max/λ_min of H; raises `UsageError` as `extremes` does."""
        return self.extremes.condition_number

    def largest_stable_step(self) -> float:
        """Return 2/λ_max: gradient descent on states converges for smaller step sizes (model: section 4)."""
        return 2.0 / largest_eigenvalue(self.operator()) if self.unknowns else np.inf

    @property
    def right_hand_side(self) -> Float64[NDArray[np.float64], "batch unknowns"]:
        """b of H s = b, which holds at equilibrium."""
        return self.pull(self._weighted(self.offsets))

    def equilibrium(self) -> States:
        """Return s* = H⁻¹ b, the one critical point of the energy; raises `UsageError` where there is more than one."""
        return self.split(self._equilibrium)

    def equilibrated_energy(self) -> Float64[NDArray[np.float64], " batch"]:
        """Return the energy of every sample at equilibrium, that of activity decay included."""
        errors = self.errors(self._equilibrium)
        decayed = (self._equilibrium**2) @ self._decay_of_units
        return 0.5 * ((errors * self._weighted(errors)).sum(axis=1) + decayed)

    def rescaling(self) -> Float64[NDArray[np.float64], "outputs outputs"]:
        """Return S of the equilibrated energy ½ rᵀ S⁻¹ r with r = y − ŷ of the feedforward pass.

        S = 1/w + Σ A_i Π_i⁻¹ A_iᵀ with A_i = ∂ŷ/∂ε_i and Π_i = γ_i where it is a number (thesis 4.5, C.25-C.26).
        Raises `UsageError` with activity decay, a free end or a precision of 0, where the energy has no such form.
        """
        found = {
            "activity decay": any(self.decays),
            "a free input": self.has_free_input,
            "a free output": is_number(self.weights[-1], 0.0),
            "a precision of 0": any(is_number(weight, 0.0) for weight in self.weights),
        }
        if any(found.values()):
            problem = next(words for words, is_there in found.items() if is_there)
            raise UsageError(f"there is no rescaling with {problem}; equilibrated_energy() needs none")
        total = np.eye(self.units[-1]) / self.weights[-1]
        for jacobian, precision in zip(self.output_jacobians(), self.weights, strict=False):
            scalar = isinstance(precision, float)
            total += jacobian @ (jacobian.T / precision if scalar else np.linalg.solve(precision, jacobian.T))
        return total

    def residual(self) -> Float64[NDArray[np.float64], "batch outputs"]:
        """Return r = y − ŷ of the feedforward pass."""
        return self.errors(self.join(self.feedforward()))[:, self.unknowns :]

    def output_jacobians(self) -> tuple[Values, ...]:
        """Return A_i = ∂ŷ/∂ε_i, (outputs, units), of every free state."""
        output = len(self.units) - 1
        found: dict[int, Values] = {output: np.eye(self.units[-1])}
        for j in range(output, 0, -1):
            for i, matrix in self.links[j].items():
                step = found[j] if matrix is None else found[j] @ matrix
                found[i] = found[i] + step if i in found else step
        return tuple(found[i] for i in range(output))

    def feedforward(self) -> States:
        """Return the feedforward pass, where every error below the output is zero."""
        states: list[Values] = []
        for rows, own in zip(self._rows[:-1], self.links, strict=False):
            total = self.offsets[:, rows].copy()
            for i, matrix in own.items():
                total += states[i] if matrix is None else states[i] @ matrix.T
            states.append(total)
        return tuple(states)

    def errors(
        self, states: Float64[NDArray[np.float64], "batch unknowns"]
    ) -> Float64[NDArray[np.float64], "batch errors"]:
        """Return all prediction errors at given states in a row; the output's is y − ŷ, clamped softly too."""
        return self.push(states) - self.offsets

    def gradient(
        self,
        states: Float64[NDArray[np.float64], "batch unknowns"],
        errors: Float64[NDArray[np.float64], "batch errors"],
    ) -> Float64[NDArray[np.float64], "batch unknowns"]:
        """Return ∇_s E = Aᵀ w e + δ s."""
        return self.pull(self._weighted(errors)) + self._decay_of_units * states

    def layerwise(
        self, errors: Float64[NDArray[np.float64], "batch errors"]
    ) -> Float64[NDArray[np.float64], " layers"]:
        """Return the energy of every layer as a batch mean, as a trace records it."""
        density = 0.5 * np.mean(errors * self._weighted(errors), axis=0)
        return np.add.reduceat(density, [0, *accumulate(self.units[:-1])])

    def split(self, states: Float64[NDArray[np.float64], "batch unknowns"]) -> States:
        """Return one array (batch, units) a free state."""
        return tuple(states[:, rows] for rows in self._rows[:-1])

    def join(self, states: States) -> Float64[NDArray[np.float64], "batch unknowns"]:
        """Return the states of a sample in a row, as `errors` and `gradient` take them."""
        return np.concatenate([np.zeros((len(self.offsets), 0)), *states], axis=1)

    def push(self, v: Float64[NDArray[np.float64], "k unknowns"]) -> Float64[NDArray[np.float64], "k errors"]:
        """Return A v for directions in rows."""
        result = np.zeros((len(v), sum(self.units)))
        result[:, : self.unknowns] = v
        for rows, own in zip(self._rows, self.links, strict=True):
            for i, matrix in own.items():
                result[:, rows] -= v[:, self._rows[i]] if matrix is None else v[:, self._rows[i]] @ matrix.T
        return result

    def pull(self, e: Float64[NDArray[np.float64], "k errors"]) -> Float64[NDArray[np.float64], "k unknowns"]:
        """Return Aᵀ e for errors in rows."""
        result = e[:, : self.unknowns].copy()
        for rows, own in zip(self._rows, self.links, strict=True):
            for i, matrix in own.items():
                result[:, self._rows[i]] -= e[:, rows] if matrix is None else e[:, rows] @ matrix
        return result

    @cached_property
    def _rows(self) -> tuple[slice, ...]:
        """The entries of every layer among all errors; those of the states come first and are the same."""
        return Flat(tuple((n,) for n in self.units)).places

    def _weighted(self, errors: Values) -> Values:
        """Return w e for errors in rows."""
        pairs = zip(self._rows, self.weights, strict=True)
        parts = [errors[:, rows] * w if isinstance(w, float) else errors[:, rows] @ w for rows, w in pairs]
        return np.concatenate(parts, axis=1)

    @cached_property
    def _decay_of_units(self) -> Values:
        return np.repeat(np.array(self.decays), self.units[:-1])

    @cached_property
    def _equilibrium(self) -> Values:
        if not self.unknowns:
            return np.zeros((len(self.offsets), 0))
        if self.has_free_input:
            # Rounding can leave a factor to a singular matrix: its eigenvalues tell.
            _ = self.extremes
        try:
            return self._factor.solve(self.right_hand_side.T).T
        except NotPositiveDefinite as error:
            raise self._singular() from error

    @cached_property
    def _factor(self) -> BlockCholesky:
        return self.blocks.factorised()

    def _require_memory(self) -> None:
        """Raise `UsageError` for a Hessian that would not fit, before any of it is made."""
        reach = max((j - i for j, own in enumerate(self.links[:-1]) for i in own), default=0)
        reach = max(reach, max((len(self.units) - 2 - i for i in self.links[-1]), default=0))
        sizes = self.units[:-1]
        entries = sum(n * sum(sizes[max(0, i - reach) : i + 1]) for i, n in enumerate(sizes))
        if 16 * entries > MOST_BYTES:
            raise UsageError(
                f"the Hessian of {self.unknowns} unknowns and its Cholesky factor would take "
                f"{16 * entries / 1024**3:.1f} GB in blocks, more than {MOST_BYTES // 1024**3}; use fewer or narrower "
                "layers or shorter skips; largest_stable_step() and rescaling() need neither"
            )

    def _singular(self) -> NotPositiveDefinite:
        if self.has_free_input:
            # Decay acts on hidden states alone: a direction of the input must reach at least these.
            wider = (
                "make the layers that read the input as wide as it"
                if all(self.decays[1:])
                else "make no layer narrower than the input, or give network.activity_decay and make those that read "
                "the input as wide as it"
            )
            return NotPositiveDefinite(
                "the free input has no unique equilibrium: the Hessian is singular, and where inference ends depends "
                f'on where it starts; write input = "clamped", or {wider}'
            )
        return NotPositiveDefinite(
            "the Hessian is singular to rounding: its condition number is beyond 1e14; use smaller weights, fewer "
            "layers, or network.activity_decay"
        )
