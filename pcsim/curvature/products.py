"""Hessian-vector products of the energy at any point, from the layers' local products.

Nothing is differentiated automatically: the gradient is a chain of local pullbacks, and its derivative along a
direction is that of the chain (Pearlmutter 1994). With g_j the pullback of layer j and ġ_j its change along a
direction, u̇ the change of any u:

    states   (H v)_i = γ_i ε̇_i − Σ_j [g_j(γ_j ε̇_j) + ġ_j(γ_j ε_j)] + δ_i v_i      ε̇_j = v_j − Σ ∂ŝ_j/∂s v
    errors   (H v)_i = γ_i v_i + ṫ_i,  ṫ_i = Σ_j [g_j(ṫ_j) + ġ_j(t_j)] + δ_i ṡ_i    t_i = ∂(E − Σ γ/2 ‖ε‖²)/∂s_i

over the layers j that read state i, with what ġ_j owes to all states that layer j reads; for the output γ ε̇ = −Λ ŷ̇ and
ṫ = Λ ŷ̇ with Λ = ∂²ℓ/∂ŷ². Every sample on its own. At a kink of ReLU, and where another entry of a pool becomes the
largest, the second derivative is taken as zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pcsim.errors import UsageError
from pcsim.inference.base import Moving
from pcsim.inference.error import ErrorOptimization
from pcsim.inference.state import evaluate_states
from pcsim.model.arrays import Array, Namespace
from pcsim.model.energy import Clamped, Energy, Evaluation, States, inputs
from pcsim.model.layers import Second


@runtime_checkable
class Curvature(Protocol):
    """The Hessian of the energy over some variables at one point, one matrix a sample."""

    @property
    def energy(self) -> Energy: ...
    @property
    def clamped(self) -> Clamped: ...

    def product(self, v: States) -> States:
        """Return H v for one array (batch, *units) a variable; of a point of one sample, for any number of v."""
        ...


def state_curvature(xp: Namespace, energy: Energy, clamped: Clamped, states: States) -> "StateCurvature":
    """Return the Hessian over the states at given `states`, one array (batch, *units) each.

    Raises `UsageError` for a network with top-down predictions.
    """
    if energy.network.top_down:
        raise UsageError("the curvature of top-down predictions is not known here; use another method")
    point = evaluate_states(xp, energy, clamped, states)
    return StateCurvature(xp, energy, clamped, point, _seconds(xp, energy, clamped, states))


def error_curvature(xp: Namespace, energy: Energy, clamped: Clamped, errors: States) -> "ErrorCurvature":
    """Return the Hessian over the errors at given `errors`, one array (batch, *units) each."""
    point = ErrorOptimization(energy).evaluate(xp, clamped, Moving(errors, ()))
    totals = (*energy.backpropagated(xp, clamped, point), -point.errors[-1])
    return ErrorCurvature(xp, energy, clamped, point, _seconds(xp, energy, clamped, point.states), totals)


@dataclass(frozen=True)
class _AtPoint:
    """A point, and what the layers remember of it for first and second derivatives."""

    xp: Namespace
    energy: Energy
    clamped: Clamped
    point: Evaluation
    seconds: tuple[Second, ...]

    def _prediction_shift(self, changes: Mapping[int, Array], j: int) -> Array:
        """Return how prediction j changes with the states, None where it reads none that does."""
        layer = self.energy.network.layers[j]
        if not any(i in changes for i in layer.reads):
            return None
        return layer.pushforward(self.xp, self.clamped.parameters[j], self.point.saved[j], changes)

    def _loss_shift(self, shift: Array) -> Array:
        """Return Λ ŷ̇, how ∂ℓ/∂ŷ changes."""
        return self.energy.loss.curvature(self.xp, self.point.output, self.clamped.y, shift)

    def _pullback_shifts(self, v: Array, dv: Array, changes: Mapping[int, Array], j: int) -> dict[int, Array]:
        """Return how the pullback of v through layer j to every free state changes, as v does by dv and states do."""
        layer = self.energy.network.layers[j]
        point, parameters = (self.point.saved[j], self.seconds[j]), self.clamped.parameters[j]
        pulled = layer.pullback_change(self.xp, parameters, point, v, dv, changes)
        return self.energy.released(self.xp, pulled)


@dataclass(frozen=True)
class StateCurvature(_AtPoint):
    """∂²E/∂s² at `point`: only states that some layer reads or predicts together are coupled."""

    def product(self, v: States) -> States:
        """Return H v for one array (batch, *units) a free state."""
        energy, changes = self.energy, dict(enumerate(v))
        shifts = [self._weighted_shift(changes, j) for j in range(len(energy.network.layers))]
        rows = [shifts[i] if energy.decays[i] == 0.0 else shifts[i] + energy.decays[i] * ds for i, ds in enumerate(v)]
        for j, shift in enumerate(shifts):
            error = energy.weighted_error(self.point.errors, j)
            for i, pulled in self._pullback_shifts(error, shift, changes, j).items():
                rows[i] = rows[i] - pulled
        return tuple(rows)

    def _weighted_shift(self, changes: Mapping[int, Array], j: int) -> Array:
        """Return how γ_j ε_j changes, None where nothing it depends on does."""
        shift = self._prediction_shift(changes, j)
        if j == len(self.energy.precisions):
            return None if shift is None else -self._loss_shift(shift)
        return self.energy.weighted(changes[j] if shift is None else changes[j] - shift, j)


@dataclass(frozen=True)
class ErrorCurvature(_AtPoint):
    """∂²E/∂ε² at `point`; `totals` are t_0 … t_{N−1}, the gradients of loss and decay that reach every layer."""

    totals: States

    def product(self, v: States) -> States:
        """Return H v for one array (batch, *units) a free error."""
        energy, last = self.energy, len(v)
        moves: dict[int, Array] = {}
        for i, move in enumerate(v):
            shift = self._prediction_shift(moves, i)
            moves[i] = move if shift is None else move + shift
        if not moves:
            return ()
        drifts: dict[int, Array] = {i: energy.decays[i] * move for i, move in moves.items()}
        drift = self._loss_shift(self._prediction_shift(moves, last))
        for j in range(last, -1, -1):
            for i, pulled in self._pullback_shifts(self.totals[j], drift, moves, j).items():
                drifts[i] = drifts[i] + pulled
            drift = drifts.get(j - 1)
        return tuple(energy.weighted(move, i) + drifts[i] for i, move in enumerate(v))


def _seconds(xp: Namespace, energy: Energy, clamped: Clamped, states: States) -> tuple[Second, ...]:
    """Return what second derivatives need of every layer, None where it reads the input alone or has none."""
    return tuple(
        layer.second(xp, clamped.parameters[i], inputs(clamped, states, layer))
        if any(j >= 0 for j in layer.reads)
        else None
        for i, layer in enumerate(energy.network.layers)
    )
