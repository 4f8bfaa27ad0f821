"""Learning from one batch: inference, and what becomes of the weights, as pure functions."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import and_, or_
from typing import Any, NamedTuple, cast

from jaxtyping import Shaped

from pcsim.inference.base import EndingInference
from pcsim.inference.stopping import StopRule, gradient_norm
from pcsim.learning.learner import Learned, Learner, Memory
from pcsim.learning.loop import Advance, Loop, python_loop
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.energy import Clamped, Energy, Evaluation
from pcsim.model.statistics import Seen, batch_statistics, normalises, running, with_statistics


class _Progress(NamedTuple):
    """Where incremental learning stands: what inference carries, and what the last step left behind."""

    carry: Any
    parameters: tuple[Parameters, ...]
    memory: Memory
    layerwise: Array
    has_signal: tuple[Array, ...]


class Watched(NamedTuple):
    """Where inference under a stop rule stands, and what the rule needs to know of the steps so far."""

    carry: Any
    output: Array
    before: Array
    arrived: tuple[Array, ...]


@dataclass(frozen=True)
class Batch:
    """A learner before one batch, input x (batch, *input_shape) and target y."""

    xp: Namespace
    learner: Learner
    x: Shaped[Array, "batch ..."]
    y: Shaped[Array, "batch outputs"]
    loop: Loop = python_loop
    averaged: Callable[[tuple[Parameters, ...]], tuple[Parameters, ...]] | None = None
    """What makes of the gradient here that over all samples, where these are but one share of several."""

    def learn(self, parameters: tuple[Parameters, ...], memory: Memory, rate: Any, number: Any) -> Learned:
        """Return what the batch changes as number 1, 2, …, a Python int or a weakly typed traced scalar.

        `rate` is the learning rate.
        """
        seen = self.statistics(parameters)
        held = parameters if seen is None else with_statistics(parameters, seen.held)
        if self.learner.updates_every_step:
            learned = self.learn_after_every_step(held, memory, rate, number)
        else:
            here = self.at(held)
            clamped, point, output, steps = here.settle(held)
            after, memory = here.updated(clamped, point, memory, rate, number)
            layerwise, has_signal = here._seen(clamped, point)
            learned = Learned(after, memory, layerwise, output, has_signal, steps)
        if seen is None:
            return learned
        after = with_statistics(learned.parameters, running(parameters, seen.counted))
        return learned._replace(parameters=after)

    def at(self, parameters: tuple[Parameters, ...]) -> "Batch":
        """Return the same with the precisions that are among the parameters, where they are learned."""
        energy = self._energy.at(parameters)
        if energy is self._energy:
            return self
        return replace(self, learner=replace(self.learner, inference=self.learner.inference.with_energy(energy)))

    def statistics(self, parameters: tuple[Parameters, ...]) -> Seen | None:
        """Return the statistics of the batch, which norms hold while it is learned from; None without norms."""
        network = self._energy.network
        return batch_statistics(self.xp, network, parameters, self.x) if normalises(network) else None

    def settle(self, parameters: tuple[Parameters, ...]) -> tuple[Clamped, Evaluation, Array, Array | None]:
        """Infer with fixed weights; return what was clamped, where it ended, and the output ŷ to show.

        Last come the steps taken, where a stop rule or the method itself decides on them.
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
        if self.learner.stop is None and not inference.traits.ends:
            carry, output = self.loop(self.learner.steps, one_step, (begun, xp.zeros_like(self.y)))
            point = inference.evaluate(xp, clamped, carry)
            return clamped, point, self._shown(clamped, point, output), None
        end, steps = self.until(self.learner.stop, clamped, begun)
        point = inference.evaluate(xp, clamped, end.carry)
        output = xp.where(steps == 0, point.output, end.output)
        return clamped, point, self._shown(clamped, point, output), steps

    def until(self, stop: StopRule | None, clamped: Clamped, begun: Any) -> tuple[Watched, Array]:
        """Infer until the rule is met or the method has ended; return where that is, and the number of steps taken."""
        xp, inference, stepper = self.xp, self.learner.inference, self.learner.stepper

        def one_step(step: Any, now: Watched) -> tuple[Array, Advance]:
            point = inference.evaluate(xp, clamped, now.carry)
            layerwise, present = self._seen(clamped, point)
            arrived = tuple(a | b for a, b in zip(now.arrived, present, strict=True))
            reasons: list[Array] = []
            if stop is not None:
                norm = partial(gradient_norm, xp, point)
                reasons.append(stop.is_met(norm, layerwise, now.before, reduce(and_, arrived)))
            if inference.traits.ends:
                reasons.append(cast("EndingInference", inference).ended(now.carry))
            met = reduce(or_, reasons)

            def advance(now: Watched) -> Watched:
                carry = inference.advance(xp, clamped, point, now.carry, stepper, step)
                return Watched(carry, xp.where(step == 1, point.output, now.output), layerwise, arrived)

            return met, advance

        nothing, layers = xp.zeros_like(self.y), len(clamped.parameters)
        # From infinity no energy changes by little: not before the first step.
        before = xp.stack([xp.sum_of_squares(nothing)] * layers) + math.inf
        start = Watched(begun, nothing, before, (xp.any(nothing),) * layers)
        return self.loop.until(self.learner.steps, one_step, start)

    def learn_after_every_step(
        self, parameters: tuple[Parameters, ...], memory: Memory, rate: Any, number: Any
    ) -> Learned:
        """Infer and update in turn."""
        xp, inference, stepper = self.xp, self.learner.inference, self.learner.stepper
        updates = (number - 1) * self.learner.steps

        def one_step(step: Any, now: _Progress) -> _Progress:
            clamped = self._clamped(now.parameters)
            point = inference.evaluate(xp, clamped, now.carry)
            carry = inference.advance(xp, clamped, point, now.carry, stepper, step)
            point = inference.evaluate(xp, clamped, carry)
            learned = self.updated(clamped, point, now.memory, rate, updates + step)
            return _Progress(carry, *learned, *self._seen(clamped, point))

        clamped = self._clamped(parameters)
        carry = inference.begin(xp, clamped, None, stepper)
        point = inference.evaluate(xp, clamped, carry)
        start = _Progress(carry, parameters, memory, *self._seen(clamped, point))
        end: _Progress = self.loop(self.learner.steps, one_step, start)
        if self._energy.network.has_free_input:
            clamped = self._clamped(end.parameters)
            output = self._shown(clamped, inference.evaluate(xp, clamped, end.carry), point.output)
        else:
            output = self._shown(clamped, point, point.output)
        return Learned(end.parameters, end.memory, end.layerwise, output, end.has_signal)

    def _shown(self, clamped: Clamped, end: Evaluation, output: Array) -> Array:
        """Return the output of the feedforward pass; where the input is free, that from the input inferred by the end.

        `output` is that of the start, where inference starts at that pass.
        """
        network = self._energy.network
        if network.has_free_input:
            return network.outputs(self.xp, clamped.parameters, end.states[0])
        # An amortiser has seen the target, other starts not even the input.
        elsewhere = network.amortiser is not None or self.learner.inference.traits.starts_elsewhere
        return network.outputs(self.xp, clamped.parameters, clamped.x) if elsewhere else output

    def _clamped(self, parameters: tuple[Parameters, ...]) -> Clamped:
        return self.learner.inference.clamp(self.xp, parameters, self.x, self.y)

    @property
    def _energy(self) -> Energy:
        return self.learner.inference.energy

    def _seen(self, clamped: Clamped, point: Evaluation) -> tuple[Array, tuple[Array, ...]]:
        return self._energy.layerwise(self.xp, clamped, point), tuple(map(self.xp.any, point.errors))

    def gradient(self, clamped: Clamped, point: Evaluation) -> tuple[Parameters, ...]:
        """Return ∇_θ E at a point of every layer, as a mean over the batch, with the errors that the rule asks for."""
        if self.learner.recalls_forward_pass:
            point = against_forward_pass(self.xp, self._energy, clamped, point)
        found = self._energy.parameter_gradient(self.xp, clamped, point)
        return found if self.averaged is None else self.averaged(found)

    def updated(
        self, clamped: Clamped, point: Evaluation, memory: Memory, rate: Any, number: Any
    ) -> tuple[tuple[Parameters, ...], Memory]:
        """Return the parameters and the optimiser's memory after an update with the gradient at a point."""
        gradient = self.gradient(clamped, point)
        return self.learner.follow(self.xp, clamped.parameters, gradient, memory, rate, number)


def against_forward_pass(xp: Namespace, energy: Energy, clamped: Clamped, point: Evaluation) -> Evaluation:
    """Return states at a point beside the predictions of the feedforward pass (`AgainstForwardPass`)."""
    _, predictions, saved = energy.feedforward(xp, clamped)
    errors = tuple(energy.error(xp, clamped, point.states, p, i) for i, p in enumerate(predictions))
    return replace(point, errors=errors, saved=saved)
