"""Exact trajectories of deep linear networks: gradient descent and gradient flow, mode by mode.

Along an eigenvector of H with curvature μ the state has moved by −p(μ) g from the start, with g the gradient there:

    gradient descent   p_t(μ) = (1 − (1 − λμ)^t)/μ      the same as s_t = s* + (I − λH)^t (s_0 − s*)
    gradient flow      p_t(μ) = (1 − e^{−μt})/μ         the same as s(t) = s* + e^{−Ht} (s_0 − s*)

This form never subtracts s* from itself: small displacements, and the errors that come of them, keep their digits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from jaxtyping import Float64

from pcsim.errors import UsageError
from pcsim.linear.quadratic import QuadraticForm, States
from pcsim.model.arrays import Numbers, Values
from pcsim.typing import NDArray

Motion: TypeAlias = Float64[NDArray[np.float64], "record unknowns"]
"""p(μ): how far every mode has moved per unit of its gradient at the start, one row a step or time."""

_ROUNDING = 32 * np.finfo(np.float64).eps
"""Relative rounding of an error against the length of the displacement it comes from; measured: up to 5 eps."""


@dataclass(frozen=True)
class LinearTrajectory:
    """The exact solution of inference in a deep linear network from one start.

    `start` holds the states at the beginning and `start_errors` their errors; build it with `LinearSystem.trajectory`.
    `curvatures` are the eigenvalues of the activity Hessian in ascending order, `modes` its eigenvectors in columns.
    """

    system: QuadraticForm
    start: Float64[NDArray[np.float64], "batch unknowns"]
    start_errors: Float64[NDArray[np.float64], "batch errors"]
    curvatures: Float64[NDArray[np.float64], " unknowns"]
    modes: Float64[NDArray[np.float64], "unknowns unknowns"]

    def descent(self, steps: Numbers, step_size: float) -> Motion:
        """Return the motion of gradient descent (SO) after each of `steps`, whole numbers, with step size λ."""
        count = _column("steps", steps)
        if not (count == np.floor(count)).all():
            raise UsageError(f"steps hold {float(count[count != np.floor(count)][0]):g}; they must be whole numbers")
        product = step_size * self.curvatures
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            slow = -np.expm1(count * np.log1p(-np.minimum(product, 0.5)))
            left = np.where(product < 0.5, slow, 1.0 - np.power(1.0 - product, count))
        return left / self.curvatures

    def flow(self, times: Numbers) -> Motion:
        """Return the motion of the gradient flow ds/dt = −∇_s E at each of `times` ≥ 0."""
        return -np.expm1(-_column("times", times) * self.curvatures) / self.curvatures

    def states(self, motion: Motion) -> tuple[Values, ...]:
        """Return one array (record, batch, units) a free state."""
        with np.errstate(over="ignore", invalid="ignore"):
            rows = [self.system.split(self.start + moved @ self.modes.T) for moved in self._displacements(motion)]
        return tuple(np.stack(layer) for layer in zip(*rows, strict=True))

    def energies(self, motion: Motion) -> Float64[NDArray[np.float64], "record layers"]:
        """Return the layerwise energies as batch means, not finite where a run diverges beyond float64."""
        operator = self._operator_on_modes.T
        with np.errstate(over="ignore", invalid="ignore"):
            moves = self._displacements(motion)
            return np.stack([self.system.layerwise(self.start_errors + moved @ operator) for moved in moves])

    def resolution(self, motion: Motion) -> Float64[NDArray[np.float64], " record"]:
        """Return what `energies` can tell from zero: below it a value is the rounding of this computation.

        Where a signal has not arrived yet, many modes cancel; what is left is the machine epsilon of the whole
        displacement, whose errors have at most the length √λ_max ‖s − s_0‖.
        """
        if not self.curvatures.size:
            return np.zeros(len(motion))
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.stack([np.mean(np.sum(moved * moved, axis=1)) for moved in self._displacements(motion)])
            return 0.5 * _ROUNDING**2 * self.curvatures[-1] * squares

    @property
    def largest_stable_step(self) -> float:
        """2/λ_max: gradient descent converges for smaller step sizes."""
        return 2.0 / float(self.curvatures[-1]) if self.curvatures.size else np.inf

    def _displacements(self, motion: Motion) -> Iterator[Values]:
        """Yield the displacement in modes, (batch, unknowns), record by record: all at once may not fit."""
        return (-factors * self._gradient_in_modes for factors in motion)

    @cached_property
    def _gradient_in_modes(self) -> Values:
        return self.system.gradient(self.start, self.start_errors) @ self.modes

    @cached_property
    def _operator_on_modes(self) -> Values:
        return self.system.push(self.modes.T).T


@dataclass(frozen=True)
class LinearSystem(QuadraticForm):
    """The energy of a batch in a deep linear network, and how inference moves on it."""

    def trajectory(self, start: States | None = None) -> LinearTrajectory:
        """Return the exact solutions of gradient descent and of the gradient flow from `start` (None: feedforward).

        `start` holds one array (batch, units) a free state. Source: thesis C.9; model: section 4. Takes seconds for
        some thousand unknowns; raises `UsageError` where H has more than 6000 rows: all its eigenvectors are needed.
        """
        if start is None:
            states = self.join(self.feedforward())
            errors = self.errors(states)
            # Rounding must not give a feedforward pass errors: that they are exactly zero is where every signal starts.
            errors[:, : states.shape[1]] = 0.0
        else:
            states = self.join(start)
            if states.shape != (len(self.offsets), self.unknowns):
                raise UsageError(
                    f"the start has {states.shape[1]} units for {len(states)} samples; it needs one array a free "
                    f"state, {self.units[:-1]} units for {len(self.offsets)} samples"
                )
            errors = self.errors(states)
        curvatures, modes = np.linalg.eigh(self.hessian())
        return LinearTrajectory(self, states, errors, curvatures, modes)


def _column(name: str, values: Numbers) -> Values:
    column = np.asarray(values, dtype=np.float64).reshape(-1, 1)
    if not (column >= 0).all():
        raise UsageError(f"{name} hold {float(column[~(column >= 0)][0]):g}; they must be 0 or more")
    return column
