"""Gradient flow as a method of steps: those of an ODE solver up to a time, every sample at its own pace.

Continuous time without training has solvers of its own on every backend; this one is pure functions of arrays, so that
what compiles or runs the updates of training does so with it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Bool, Shaped

from pcsim.inference.base import Traits
from pcsim.inference.flow import gradient_flow
from pcsim.inference.steppers import Stepper
from pcsim.inference.wrapping import Wrapping
from pcsim.model.arrays import Array, Namespace
from pcsim.model.energy import Clamped, Evaluation, States

FIRST = 0.1
"""Size of the first step that is tried where steps adapt."""
SAFETY, LEAST, MOST = 0.9, 0.2, 10.0
"""Share of the size that would meet the tolerance, and how far a step may shrink and grow at once."""
Velocity = Callable[[States], States]


class Integrating(NamedTuple):
    """Variables, the time every sample has reached and the size of its next step, (batch,) each."""

    variables: States
    time: Shaped[Array, " batch"]
    size: Shaped[Array, " batch"]


@runtime_checkable
class Rule(Protocol):
    """One step of a solver."""

    def step(self, velocity: Velocity, z: States, here: States, h: Shaped[Array, " batch"]) -> tuple[States, States]:
        """Return the variables after steps of size h, one a sample, and an estimate of their error, zeros without."""
        ...


@dataclass(frozen=True)
class Euler:
    """z + h v(z)."""

    def step(self, velocity: Velocity, z: States, here: States, h: Shaped[Array, " batch"]) -> tuple[States, States]:
        """Return z + h v(z), and zeros."""
        return _moved(z, here, h), tuple(0.0 * v for v in here)


@dataclass(frozen=True)
class Heun:
    """z + h/2 (v(z) + v(z + h v(z))), of second order; the error is its distance to Euler's step."""

    def step(self, velocity: Velocity, z: States, here: States, h: Shaped[Array, " batch"]) -> tuple[States, States]:
        """Return the step and how far it is from Euler's."""
        ahead = _moved(z, here, h)
        half = tuple(0.5 * (v - u) for v, u in zip(velocity(ahead), here, strict=True))
        error = tuple(_column(h, d) * d for d in half)
        return tuple(a + e for a, e in zip(ahead, error, strict=True)), error


@dataclass(frozen=True)
class Constant:
    """Steps of one size, the last one shorter."""

    size: float

    def judge(
        self, xp: Namespace, z: States, error: States, size: Shaped[Array, " batch"]
    ) -> tuple[Bool[Array, " batch"], Shaped[Array, " batch"]]:
        """Return that every step is taken, and the whole size again."""
        return size > 0.0, 0.0 * size + self.size


@dataclass(frozen=True)
class Adaptive:
    """Steps whose error is at most atol + rtol times the root mean square of a layer, and as long as that allows.

    The size is that of an integral controller, h ← h · 0.9/√(error in units of what is allowed), for an error of second
    order; a PID controller with these terms at their defaults does the same (Söderlind 2003).
    """

    rtol: float
    atol: float
    size = FIRST

    def judge(
        self, xp: Namespace, z: States, error: States, size: Shaped[Array, " batch"]
    ) -> tuple[Bool[Array, " batch"], Shaped[Array, " batch"]]:
        """Return whether each step is taken, and the size of the next one or of another try."""
        if not z:  # a network of one layer
            return size > 0.0, MOST * size
        squares = [self._square(xp, layer, wrong) for layer, wrong in zip(z, error, strict=True)]
        units = sum(layer.size // layer.shape[0] for layer in z)
        apart = xp.sqrt(xp.sum(xp.stack(squares), axis=0) / units)
        wanted = SAFETY / xp.sqrt(xp.maximum(apart, (SAFETY / MOST) ** 2))
        factor = xp.where(apart < float("inf"), xp.maximum(wanted, LEAST), LEAST)
        return apart <= 1.0, size * factor.astype(size.dtype)

    def _square(self, xp: Namespace, layer: Array, wrong: Array) -> Shaped[Array, " batch"]:
        """Return Σ (error/tolerance)² of a layer's units, wide."""
        units = layer.size // layer.shape[0]
        tolerance = self.atol + (self.rtol / sqrt(units)) * xp.sqrt(xp.sum_of_squares(layer))
        return xp.sum_of_squares(wrong) / (tolerance * tolerance)


@dataclass(frozen=True)
class Integrated(Wrapping):
    """The flow of another method from time 0 to `end`, by the steps of a rule at sizes that a control decides.

    It has ended when every sample has got there; a step more changes nothing.
    """

    end: float
    rule: Rule
    control: Constant | Adaptive

    @property
    def traits(self) -> Traits:
        """What the method is, whose steps end by themselves."""
        return replace(self.inference.traits, ends=True)

    def begin(self, xp: Namespace, clamped: Clamped, initial: States | None, stepper: Stepper) -> Integrating:
        """Return the variables at time 0."""
        variables = gradient_flow(self.inference).begin(xp, clamped, initial)
        start = xp.max(xp.zeros_like(clamped.y), axis=1)
        return Integrating(variables, start, start + self.control.size)

    def evaluate(self, xp: Namespace, clamped: Clamped, carry: Integrating) -> Evaluation:
        """Return the method's evaluation."""
        return gradient_flow(self.inference).evaluate(xp, clamped, carry.variables)

    def advance(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: Integrating, stepper: Stepper, step: Any
    ) -> Integrating:
        """Try a step in every sample that has not got to the end."""
        field = gradient_flow(self.inference)

        def velocity(variables: States) -> States:
            return field.velocity(xp, clamped, variables)

        z, remaining = carry.variables, self.end - carry.time
        here = velocity(z) if self.traits.carries_errors else tuple(-g for g in point.gradient)
        last = carry.size >= remaining
        h = xp.where(last, remaining, carry.size)
        moved, error = self.rule.step(velocity, z, here, h)
        taken, size = self.control.judge(xp, z, error, h)
        on_the_way = remaining > 0.0
        taken = taken & on_the_way
        variables = tuple(xp.where(_column(taken, new), new, old) for new, old in zip(moved, z, strict=True))
        reached = xp.where(last, 0.0 * carry.time + self.end, carry.time + h)
        return Integrating(variables, xp.where(taken, reached, carry.time), xp.where(on_the_way, size, carry.size))

    def ended(self, carry: Integrating) -> Array:
        """Return whether every sample is at the end, a boolean scalar."""
        return (carry.time >= self.end).all()


def _moved(z: States, velocity: States, h: Shaped[Array, " batch"]) -> States:
    return tuple(a + _column(h, v) * v for a, v in zip(z, velocity, strict=True))


def _column(values: Shaped[Array, " batch"], like: Array) -> Array:
    """Return a number for every sample in the shape that multiplies its units."""
    return values.reshape(like.shape[0], *[1] * (len(like.shape) - 1))
