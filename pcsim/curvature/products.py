"""Hessian-vector products of the energy at any point, from the layers' local products.

Nothing is differentiated automatically: the gradient is a chain of local pullbacks, and its derivative along a
direction is that of the chain (Pearlmutter 1994). With g_j the pullback of layer j and ġ_j its change along a
direction, u̇ the change of any u:

    states   (H v)_i = γ_i ε̇_i − Σ_j [g_j(γ_j ε̇_j) + ġ_j(γ_j ε_j)] + δ_i v_i      ε̇_j = v_j − Σ ∂ŝ_j/∂s v
    errors   (H v)_i = γ_i v_i + ṫ_i,  ṫ_i = Σ_j [g_j(ṫ_j) + ġ_j(t_j)] + δ_i ṡ_i    t_i = ∂(E − Σ γ/2 ‖ε‖²)/∂s_i

over the layers j that read state i; for the output γ ε̇ = −Λ ŷ̇ and ṫ = Λ ŷ̇ with Λ = ∂²ℓ/∂ŷ². Every sample on its own.
At a kink of ReLU the second derivative is taken as zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pcsim.inference.base import Moving
from pcsim.inference.error import ErrorOptimization
from pcsim.inference.state import evaluate_states
from pcsim.model.arrays import Array, Namespace
from pcsim.model.energy import Clamped, Energy, Evaluation, States
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
    """Return the Hessian over the states at given `states`, one array (batch, *units) each."""
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

    def _pullback_shift(self, pulled: Array, changed: Array, ds: Array, j: int, i: int) -> Array:
        """Return how the pullback of `pulled` through layer j to state i changes, as `changed` and as s_i by ds."""
        total = self.energy.pullback(self.xp, self.clamped, self.point.saved, changed, j, i)
        layer, second = self.energy.network.layers[j], self.seconds[j]
        if i != layer.source or second is None:
            return total
        return total + layer.second_pullback(self.xp, self.clamped.parameters[j], second, pulled, ds)


@dataclass(frozen=True)
class StateCurvature(_AtPoint):
    """∂²E/∂s² at `point`: only states that some layer reads or predicts together are coupled."""

    def product(self, v: States) -> States:
        """Return H v for one array (batch, *units) a free state."""
        energy, changes = self.energy, dict(enumerate(v))
        shifts = [self._weighted_shift(changes, j) for j in range(len(energy.network.layers))]
        rows: list[Array] = []
        for i, ds in enumerate(v):
            total = shifts[i] if energy.decays[i] == 0.0 else shifts[i] + energy.decays[i] * ds
            for j in energy.network.readers[i]:
                error = energy.weighted_error(self.point.errors, j)
                total = total - self._pullback_shift(error, shifts[j], ds, j, i)
            rows.append(total)
        return tuple(rows)

    def _weighted_shift(self, changes: Mapping[int, Array], j: int) -> Array:
        """Return how γ_j ε_j changes, None where nothing it depends on does."""
        shift = self._prediction_shift(changes, j)
        if j == len(self.energy.precisions):
            return None if shift is None else -self._loss_shift(shift)
        return self.energy.precisions[j] * (changes[j] if shift is None else changes[j] - shift)


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
        drifts: dict[int, Array] = {last: self._loss_shift(self._prediction_shift(moves, last))}
        for i in range(last - 1, -1, -1):
            total = energy.decays[i] * moves[i]
            for j in energy.network.readers[i]:
                total = total + self._pullback_shift(self.totals[j], drifts[j], moves[i], j, i)
            drifts[i] = total
        return tuple(energy.precisions[i] * move + drifts[i] for i, move in enumerate(v))


def _seconds(xp: Namespace, energy: Energy, clamped: Clamped, states: States) -> tuple[Second, ...]:
    """Return what second derivatives need of every layer, None where its operation reads the input or has none."""
    return tuple(
        None
        if layer.source < 0
        else layer.second(xp, clamped.parameters[i], [clamped.x if j < 0 else states[j] for j in layer.reads])
        for i, layer in enumerate(energy.network.layers)
    )
