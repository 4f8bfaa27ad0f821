"""The contract between an inference method and the loop that runs it, and what most methods share."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Protocol, cast, runtime_checkable

from pcsim.inference.steppers import Memory, Stepper
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.energy import Clamped, Energy, Evaluation, States

Carry = Any
"""What a method hands from step to step: nested tuples of arrays, opaque to the loop."""


class Moving(NamedTuple):
    """The carry of most methods: the moving variables and what the stepper remembers of each."""

    variables: States
    memory: tuple[Memory, ...]


@dataclass(frozen=True)
class Traits:
    """What others need to know of a method, so that nobody asks which one it is.

    `moves_errors` says that its variables are errors, not states; `carries_errors` that errors are carried beside the
    states (increment form); `freezes_predictions` that these are always those of the feedforward pass; `is_sequential`
    that a step moves one layer after another; `backpropagates` that one step ends it, with the errors −∂ℓ/∂s;
    `searches` that it looks for every sample's equilibrium on steps of its own, as `Equilibrium` does; `halves_steps`
    that a sample's step size shrinks where its energy rises; `has_multipliers` that a hidden layer's error is s − ŝ and
    a multiplier that it has gathered; `weighs_errors` that steps follow the gradient of another energy than is shown;
    `has_phases` that the first steps, without the target, end at what the network answers, and that weights learn from
    two phases; `ends` that its steps end by themselves, as its `ended` says of what it carries (`EndingInference`);
    `draws` that it draws random numbers; `predicts_down` that its network has top-down predictions, which move a free
    output as well; `starts_elsewhere` that a start of its own replaces the feedforward pass.
    """

    moves_errors: bool = False
    carries_errors: bool = False
    freezes_predictions: bool = False
    is_sequential: bool = False
    backpropagates: bool = False
    searches: bool = False
    halves_steps: bool = False
    has_multipliers: bool = False
    weighs_errors: bool = False
    has_phases: bool = False
    ends: bool = False
    draws: bool = False
    predicts_down: bool = False
    starts_elsewhere: bool = False

    @property
    def has_flow(self) -> bool:
        """Whether its steps are the discrete map of a gradient flow."""
        steps_alone = self.is_sequential or self.backpropagates or self.searches or self.draws
        return not (steps_alone or self.predicts_down or self._changes_energy)

    @property
    def descends(self) -> bool:
        """Whether every step follows the gradient of one and the same energy."""
        return not (self.freezes_predictions or self.searches or self.draws or self._changes_energy)

    @property
    def _changes_energy(self) -> bool:
        return self.has_multipliers or self.weighs_errors or self.has_phases

    @property
    def has_differences(self) -> bool:
        """Whether its errors are those of its states, s − ŝ in hidden layers."""
        return not (self.backpropagates or self.has_multipliers or self.has_phases)


@runtime_checkable
class Inference(Protocol):
    """What moves during inference: states or errors, and how one step is put together.

    A loop alternates `evaluate` (energies are read off there) and `advance`; all is pure, so that a backend may trace
    and compile it. `name` is the scenario's word for the method.
    """

    @property
    def name(self) -> str: ...
    @property
    def traits(self) -> Traits: ...
    @property
    def energy(self) -> Energy: ...

    def with_energy(self, energy: Energy) -> "Inference":
        """Return the same method on another energy."""
        ...

    def clamp(self, xp: Namespace, parameters: tuple[Parameters, ...], x: Array, y: Array) -> Clamped:
        """Hold input, target and whatever else never changes fixed."""
        ...

    def begin(self, xp: Namespace, clamped: Clamped, initial: States | None, stepper: Stepper) -> Carry:
        """Return the carry before the first step, from `initial` variables or a feedforward pass if None."""
        ...

    def evaluate(self, xp: Namespace, clamped: Clamped, carry: Carry) -> Evaluation:
        """Return states, errors, output and what is saved at this point."""
        ...

    def advance(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: Carry, stepper: Stepper, step: Any
    ) -> Carry:
        """Return the carry after step number `step` = 1, 2, …; `point` is the evaluation before it."""
        ...


@runtime_checkable
class EndingInference(Inference, Protocol):
    """A method with `Traits.ends`: there is a last step, which it tells itself."""

    def ended(self, carry: Carry) -> Array:
        """Return whether a step more would change nothing, a boolean scalar."""
        ...


def at_rest(xp: Namespace, variables: States, stepper: Stepper) -> Moving:
    """Return variables with fresh stepper memory."""
    return Moving(variables, tuple(stepper.begin(xp, variable) for variable in variables))


def increments(
    xp: Namespace, gradient: States, stepper: Stepper, memory: tuple[Memory, ...], step: Any
) -> tuple[States, tuple[Memory, ...]]:
    """Return the increment of every variable and the memory after it."""
    pairs = [stepper.increment(xp, g, m, step) for g, m in zip(gradient, memory, strict=True)]
    return tuple(delta for delta, _ in pairs), tuple(remembered for _, remembered in pairs)


@dataclass(frozen=True)
class OnEnergy:
    """A method on an energy, with nothing held fixed but input and target."""

    energy: Energy
    traits: ClassVar[Traits]

    def with_energy(self, energy: Energy) -> Inference:
        """Return the same method on another energy."""
        return replace(cast("Any", self), energy=energy)

    def clamp(self, xp: Namespace, parameters: tuple[Parameters, ...], x: Array, y: Array) -> Clamped:
        """Hold input and target fixed."""
        return self.energy.clamp(xp, parameters, x, y)


@dataclass(frozen=True)
class Simultaneous(OnEnergy):
    """A method that moves all its variables at once along the gradient."""

    def advance(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: Moving, stepper: Stepper, step: Any
    ) -> Moving:
        """Move every variable along the gradient at `point`."""
        deltas, memory = increments(xp, point.gradient, stepper, carry.memory, step)
        return Moving(tuple(z + d for z, d in zip(carry.variables, deltas, strict=True)), memory)
