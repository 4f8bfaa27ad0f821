"""How good a network is on samples it does not learn from: what is computed, and what that is compared with."""

from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Shaped

from pcsim.inference import for_evaluation, with_free_input, with_free_output
from pcsim.learning.batch import Batch
from pcsim.learning.pixels import Samples, whole
from pcsim.model.arrays import Array, Parameters
from pcsim.model.energy import Evaluation
from pcsim.model.statistics import evaluated
from pcsim.typing import NDArray


@runtime_checkable
class Scoring(Protocol):
    """A way to score a network on samples."""

    def measure(
        self, batch: Batch, parameters: tuple[Parameters, ...]
    ) -> tuple[Shaped[Array, " samples"], Shaped[Array, "samples answers"]]:
        """Return the loss of every sample, in the wide type, and the network's answers."""
        ...

    def truth(self, x: Samples, y: Float[NDArray[Any], "samples n_out"]) -> Float[NDArray[Any], "samples answers"]:
        """Return what the answers should be: the targets."""
        return y


@dataclass(frozen=True)
class ForwardPass(Scoring):
    """The outputs of a forward pass: what inference with the input clamped and the output free ends at."""

    def measure(
        self, batch: Batch, parameters: tuple[Parameters, ...]
    ) -> tuple[Shaped[Array, " samples"], Shaped[Array, "samples outputs"]]:
        """Return the losses of the outputs, and the outputs."""
        return _forward(batch, parameters, batch.x)


@dataclass(frozen=True)
class FreePhase(Scoring):
    """The outputs at the end of the first phase of inference, which knows nothing of the target."""

    steps: int

    def measure(
        self, batch: Batch, parameters: tuple[Parameters, ...]
    ) -> tuple[Shaped[Array, " samples"], Shaped[Array, "samples outputs"]]:
        """Return the losses of the outputs, and the outputs."""
        output = _settled(replace(batch, learner=replace(batch.learner, steps=self.steps)), parameters).output
        return batch.learner.inference.energy.loss.value(batch.xp, output, batch.y), output


@dataclass(frozen=True)
class OutputInference(Scoring):
    """The outputs that the learner's inference infers where top-down predictions move them, from a forward pass on."""

    def measure(
        self, batch: Batch, parameters: tuple[Parameters, ...]
    ) -> tuple[Shaped[Array, " samples"], Shaped[Array, "samples outputs"]]:
        """Return the losses of the outputs, and the outputs."""
        loss = batch.learner.inference.energy.bare.loss
        learner = replace(batch.learner, inference=with_free_output(batch.learner.inference))
        output = _settled(replace(batch, learner=learner), (*parameters, {})).output
        return loss.value(batch.xp, output, batch.y), output


@dataclass(frozen=True)
class LabelInference(Scoring):
    """Losses of a forward pass from the label to the sample; the answer is the label inferred from the sample.

    With the output clamped to the sample the learner's inference runs with a free input, from zero; the largest entry
    of the inferred input is the class.
    """

    def measure(
        self, batch: Batch, parameters: tuple[Parameters, ...]
    ) -> tuple[Shaped[Array, " samples"], Shaped[Array, "samples ..."]]:
        """Return the losses of the outputs, and the inferred inputs."""
        losses, _ = _forward(batch, parameters, batch.x)
        batch = batch.at(parameters)
        learner = replace(batch.learner, inference=with_free_input(batch.learner.inference))
        inside = replace(batch, learner=learner, x=batch.xp.zeros_like(batch.x))
        return losses, _inferred_input(inside, ({}, *parameters))

    def truth(self, x: Samples, y: Float[NDArray[Any], "samples n_out"]) -> Float[NDArray[Any], "samples ..."]:
        """Return the labels."""
        return whole(x)


@dataclass(frozen=True)
class Reconstruction(Scoring):
    """The outputs of a forward pass from the input that the learner's inference, whose input is free, infers."""

    def measure(
        self, batch: Batch, parameters: tuple[Parameters, ...]
    ) -> tuple[Shaped[Array, " samples"], Shaped[Array, "samples outputs"]]:
        """Return the losses of the reconstructions, and the reconstructions."""
        return _forward(batch, parameters, _inferred_input(batch.at(parameters), parameters))


def _forward(batch: Batch, parameters: tuple[Parameters, ...], x: Array) -> tuple[Array, Array]:
    """Return the losses of a forward pass from x, and its outputs."""
    energy = batch.learner.inference.energy
    outputs = evaluated(energy.network).outputs(batch.xp, parameters, x)
    return energy.bare.loss.value(batch.xp, outputs, batch.y), outputs


def _inferred_input(batch: Batch, parameters: tuple[Parameters, ...]) -> Array:
    """Return state 0, the free input, after the learner's steps of inference from x."""
    return _settled(batch, parameters).states[0]


def _settled(batch: Batch, parameters: tuple[Parameters, ...]) -> Evaluation:
    """Return where the learner's steps of inference end, without noise, from the usual start."""
    xp = batch.xp
    learner = replace(batch.learner, inference=for_evaluation(batch.learner.inference))
    clamped = learner.inference.clamp(xp, parameters, batch.x, batch.y)

    def one_step(step: Any, carry: Any) -> Any:
        point = learner.inference.evaluate(xp, clamped, carry)
        return learner.inference.advance(xp, clamped, point, carry, learner.stepper, step)

    carry = learner.inference.begin(xp, clamped, None, learner.stepper)
    if learner.inference.traits.ends:
        carry = replace(batch, learner=learner).until(None, clamped, carry)[0].carry
    else:
        carry = batch.loop(learner.steps, one_step, carry)
    return learner.inference.evaluate(xp, clamped, carry)
