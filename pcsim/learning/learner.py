"""The learner: inference on a batch, and what becomes of the weights, as one pure function."""

import math
from dataclasses import dataclass
from functools import partial, reduce
from operator import and_
from typing import Any, NamedTuple

from jaxtyping import Shaped

from pcsim.arrays import Array, Namespace, Parameters
from pcsim.energy import Clamped, Energy, Evaluation
from pcsim.errors import UsageError
from pcsim.inference import FixedPredictions, Inference, StateOptimization, unhalved
from pcsim.learning.clipping import clip_to_norm
from pcsim.learning.optimizers import Optimizer
from pcsim.learning.repeat import Advance, Repeat
from pcsim.steppers import Stepper
from pcsim.stopping import StopRule, gradient_norm

Memory = tuple[dict[str, Any], ...]
"""What the optimiser remembers, arranged like the parameters."""


@dataclass(frozen=True)
class AtTheEnd:
    """One weight update at the end of inference (`pc`; with the inference `Backprop` and one step, `backprop`)."""


@dataclass(frozen=True)
class AfterEveryStep:
    """A weight update after every inference step (incremental PC, Salvatori et al. 2024).

    States stay where they are and their errors are formed anew with the new weights. That asks for errors that follow
    from the states: state optimization in the standard form, simultaneous or sequential.
    """


@dataclass(frozen=True)
class Learner:
    """How a network learns from a batch: inference, its number of steps, the weights' optimiser and when it acts.

    `clip` is the largest norm of the gradient of all parameters together; with `stop` inference ends as soon as that
    is met on the batch. Raises `UsageError` for fewer than one step, and where weights change during inference for a
    stop rule and for errors that do not follow from the states.
    """

    inference: Inference
    stepper: Stepper
    steps: int
    optimizer: Optimizer
    rule: AtTheEnd | AfterEveryStep = AtTheEnd()
    clip: float | None = None
    stop: StopRule | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UsageError(f"learning needs at least 1 step of inference, not {self.steps}")
        if isinstance(self.rule, AfterEveryStep) and self.stop is not None:
            raise UsageError("incremental learning takes the same number of steps in every update: drop the stop rule")
        if isinstance(self.rule, AfterEveryStep) and not _errors_follow_from_states(self.inference):
            raise UsageError(
                f"incremental learning does not go with {type(self.inference).__name__}: use StateOptimization or "
                "SequentialStateOptimization in the standard form, or update the weights at the end of inference"
            )


class Learned(NamedTuple):
    """What a batch leaves behind, in the type of the run unless said.

    `layerwise` energies (layers, batch) in the wide type at the end of inference, from where the last gradient was
    taken; `output` ŷ (batch, outputs) of the feedforward pass at the start, where the input is free of that from the
    input inferred; `has_signal` says for every layer whether any error at that end is not zero, a boolean scalar each;
    `steps` counts those of inference under a stop rule.
    """

    parameters: tuple[Parameters, ...]
    memory: Memory
    layerwise: Array
    output: Array
    has_signal: tuple[Array, ...]
    steps: Array | None = None


def begin(xp: Namespace, learner: Learner, parameters: tuple[Parameters, ...]) -> Memory:
    """Return the optimiser's memory before the first update."""
    return fresh(xp, learner.optimizer, parameters)


def fresh(xp: Namespace, optimizer: Optimizer, parameters: tuple[Parameters, ...]) -> Memory:
    """Return what an optimiser remembers before its first update."""
    return tuple({name: optimizer.begin(xp, array) for name, array in own.items()} for own in parameters)


def learn(
    xp: Namespace,
    learner: Learner,
    parameters: tuple[Parameters, ...],
    memory: Memory,
    x: Shaped[Array, "batch ..."],
    y: Shaped[Array, "batch outputs"],
    rate: Any,
    number: Any,
    repeat: Repeat,
) -> Learned:
    """Return what batch `number` = 1, 2, … with input x (batch, *input_shape) and target y changes.

    `rate` is the learning rate; `number` a Python int or a weakly typed traced scalar.
    """
    batch = Batch(xp, learner, x, y, rate, repeat)
    if isinstance(learner.rule, AfterEveryStep):
        return batch.learn_after_every_step(parameters, memory, (number - 1) * learner.steps)
    return batch.learn_at_the_end(parameters, memory, number)


class _Progress(NamedTuple):
    """Where incremental learning stands: what inference carries, and what the last step left behind."""

    carry: Any
    parameters: tuple[Parameters, ...]
    memory: Memory
    layerwise: Array
    has_signal: tuple[Array, ...]


class _Watched(NamedTuple):
    """Where inference under a stop rule stands, and what the rule needs to know of the steps so far."""

    carry: Any
    output: Array
    before: Array
    arrived: tuple[Array, ...]


@dataclass(frozen=True)
class Batch:
    """A learner with everything that stays the same while it learns from one batch."""

    xp: Namespace
    learner: Learner
    x: Array
    y: Array
    rate: Any
    repeat: Repeat

    def learn_at_the_end(self, parameters: tuple[Parameters, ...], memory: Memory, number: Any) -> Learned:
        """Infer with fixed weights, then update them."""
        clamped, point, output, steps = self.settle(parameters)
        parameters, memory = self.updated(clamped, point, memory, number)
        layerwise, has_signal = self._seen(clamped, point)
        return Learned(parameters, memory, layerwise, output, has_signal, steps)

    def settle(self, parameters: tuple[Parameters, ...]) -> tuple[Clamped, Evaluation, Array, Array | None]:
        """Infer with fixed weights; return what was clamped, where it ended, and the output ŷ to show.

        Last come the steps taken, where a stop rule decides on them.
        """
        xp, inference, stepper = self.xp, self.learner.inference, self.learner.stepper
        clamped = self._clamped(parameters)

        def one_step(step: Any, now: tuple[Any, Array]) -> tuple[Any, Array]:
            carry, output = now
            point = inference.evaluate(xp, clamped, carry)
            # Taken here, the output of the start costs no forward pass of its own.
            output = xp.where(step == 1, point.output, output)
            return inference.advance(xp, clamped, point, carry, stepper, step), output

        begun = inference.begin(xp, clamped, None, stepper)
        if self.learner.stop is None:
            carry, output = self.repeat(self.learner.steps, one_step, (begun, xp.zeros_like(self.y)))
            point = inference.evaluate(xp, clamped, carry)
            return clamped, point, self._shown(clamped, point, output), None
        end, steps = self._until(self.learner.stop, clamped, begun)
        point = inference.evaluate(xp, clamped, end.carry)
        output = xp.where(steps == 0, point.output, end.output)
        return clamped, point, self._shown(clamped, point, output), steps

    def _until(self, stop: StopRule, clamped: Clamped, begun: Any) -> tuple[_Watched, Array]:
        """Infer until the rule is met; return where that is, and the number of steps taken."""
        xp, inference, stepper = self.xp, self.learner.inference, self.learner.stepper

        def one_step(step: Any, now: _Watched) -> tuple[Array, Advance]:
            point = inference.evaluate(xp, clamped, now.carry)
            layerwise, present = self._seen(clamped, point)
            arrived = tuple(a | b for a, b in zip(now.arrived, present, strict=True))
            met = stop.is_met(partial(gradient_norm, xp, point), layerwise, now.before, reduce(and_, arrived))

            def advance() -> _Watched:
                carry = inference.advance(xp, clamped, point, now.carry, stepper, step)
                return _Watched(carry, xp.where(step == 1, point.output, now.output), layerwise, arrived)

            return met, advance

        nothing, layers = xp.zeros_like(self.y), len(clamped.parameters)
        # From infinity no energy changes by little: not before the first step.
        before = xp.stack([xp.sum_of_squares(nothing)] * layers) + math.inf
        start = _Watched(begun, nothing, before, (xp.any(nothing),) * layers)
        return self.repeat.until(self.learner.steps, one_step, start)

    def learn_after_every_step(self, parameters: tuple[Parameters, ...], memory: Memory, updates: Any) -> Learned:
        """Infer and update in turn; `updates` of the weights were made before this batch."""
        xp, inference, stepper = self.xp, self.learner.inference, self.learner.stepper

        def one_step(step: Any, now: _Progress) -> _Progress:
            clamped = self._clamped(now.parameters)
            point = inference.evaluate(xp, clamped, now.carry)
            carry = inference.advance(xp, clamped, point, now.carry, stepper, step)
            point = inference.evaluate(xp, clamped, carry)
            learned = self.updated(clamped, point, now.memory, updates + step)
            return _Progress(carry, *learned, *self._seen(clamped, point))

        clamped = self._clamped(parameters)
        carry = inference.begin(xp, clamped, None, stepper)
        point = inference.evaluate(xp, clamped, carry)
        start = _Progress(carry, parameters, memory, *self._seen(clamped, point))
        end: _Progress = self.repeat(self.learner.steps, one_step, start)
        output = point.output
        if self._energy.network.has_free_input:
            clamped = self._clamped(end.parameters)
            output = self._shown(clamped, inference.evaluate(xp, clamped, end.carry), output)
        return Learned(end.parameters, end.memory, end.layerwise, output, end.has_signal)

    def _shown(self, clamped: Clamped, end: Evaluation, output: Array) -> Array:
        """Return the output of the start; where the input is free, that of the input inferred by the end."""
        network = self._energy.network
        return network.outputs(self.xp, clamped.parameters, end.states[0]) if network.has_free_input else output

    def _clamped(self, parameters: tuple[Parameters, ...]) -> Clamped:
        return self.learner.inference.clamp(self.xp, parameters, self.x, self.y)

    @property
    def _energy(self) -> Energy:
        return self.learner.inference.energy

    def _seen(self, clamped: Clamped, point: Evaluation) -> tuple[Array, tuple[Array, ...]]:
        return self._energy.layerwise(self.xp, clamped, point), tuple(map(self.xp.any, point.errors))

    def updated(
        self, clamped: Clamped, point: Evaluation, memory: Memory, number: Any
    ) -> tuple[tuple[Parameters, ...], Memory]:
        """Return the parameters and the optimiser's memory after an update with the gradient at a point."""
        gradient = self._energy.parameter_gradient(self.xp, clamped, point)
        optimizer, clip = self.learner.optimizer, self.learner.clip
        return follow(self.xp, optimizer, clip, clamped.parameters, gradient, memory, self.rate, number)


def follow(
    xp: Namespace,
    optimizer: Optimizer,
    clip: float | None,
    parameters: tuple[Parameters, ...],
    gradient: tuple[Parameters, ...],
    memory: Memory,
    rate: Any,
    number: Any,
) -> tuple[tuple[Parameters, ...], Memory]:
    """Return the parameters and the optimiser's memory after update `number` along a gradient, clipped if asked."""
    if clip is not None:
        gradient = clip_to_norm(xp, gradient, clip)
    pairs = tuple(
        {name: optimizer.update(xp, array, slopes[name], known[name], rate, number) for name, array in own.items()}
        for own, slopes, known in zip(parameters, gradient, memory, strict=True)
    )
    return (
        tuple({name: pair[0] for name, pair in layer.items()} for layer in pairs),
        tuple({name: pair[1] for name, pair in layer.items()} for layer in pairs),
    )


def _errors_follow_from_states(inference: Inference) -> bool:
    method = unhalved(inference)
    return isinstance(method, StateOptimization) and not isinstance(method, FixedPredictions)
