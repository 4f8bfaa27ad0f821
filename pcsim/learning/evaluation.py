"""How good a network is on samples it does not learn from: what is computed, and what that is compared with."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Shaped
from numpy.typing import NDArray

from pcsim.inference import Inference, with_free_input
from pcsim.learning.learner import Learner
from pcsim.learning.loop import Loop
from pcsim.model.arrays import Array, Namespace, Parameters


@runtime_checkable
class Scoring(Protocol):
    """A way to score a network on samples."""

    def measure(
        self,
        xp: Namespace,
        learner: Learner,
        parameters: tuple[Parameters, ...],
        x: Shaped[Array, "samples ..."],
        y: Shaped[Array, "samples outputs"],
        repeat: Loop,
    ) -> tuple[Shaped[Array, " samples"], Shaped[Array, "samples answers"]]:
        """Return the loss of every sample, in the wide type, and the network's answers."""
        ...

    def truth(
        self, x: Float[NDArray[Any], "samples n_in"], y: Float[NDArray[Any], "samples n_out"]
    ) -> Float[NDArray[Any], "samples answers"]:
        """Return what the answers should be."""
        ...


@dataclass(frozen=True)
class ForwardPass:
    """The outputs of a forward pass: what inference with the input clamped and the output free ends at."""

    def measure(
        self,
        xp: Namespace,
        learner: Learner,
        parameters: tuple[Parameters, ...],
        x: Shaped[Array, "samples ..."],
        y: Shaped[Array, "samples outputs"],
        repeat: Loop,
    ) -> tuple[Shaped[Array, " samples"], Shaped[Array, "samples outputs"]]:
        """Return the losses of the outputs, and the outputs."""
        return _forward(xp, learner, parameters, x, y)

    def truth(
        self, x: Float[NDArray[Any], "samples n_in"], y: Float[NDArray[Any], "samples n_out"]
    ) -> Float[NDArray[Any], "samples n_out"]:
        """Return the targets."""
        return y


@dataclass(frozen=True)
class LabelInference:
    """Losses of a forward pass from the label to the sample; the answer is the label inferred from the sample.

    With the output clamped to the sample the learner's inference runs with a free input, from zero; the largest entry
    of the inferred input is the class.
    """

    def measure(
        self,
        xp: Namespace,
        learner: Learner,
        parameters: tuple[Parameters, ...],
        x: Shaped[Array, "samples ..."],
        y: Shaped[Array, "samples outputs"],
        repeat: Loop,
    ) -> tuple[Shaped[Array, " samples"], Shaped[Array, "samples n_in"]]:
        """Return the losses of the outputs, and the inferred inputs."""
        losses, _ = _forward(xp, learner, parameters, x, y)
        inference = with_free_input(learner.inference)
        return losses, _inferred_input(xp, learner, inference, ({}, *parameters), xp.zeros_like(x), y, repeat)

    def truth(
        self, x: Float[NDArray[Any], "samples n_in"], y: Float[NDArray[Any], "samples n_out"]
    ) -> Float[NDArray[Any], "samples n_in"]:
        """Return the labels."""
        return x


@dataclass(frozen=True)
class Reconstruction:
    """The outputs of a forward pass from the input that the learner's inference, whose input is free, infers."""

    def measure(
        self,
        xp: Namespace,
        learner: Learner,
        parameters: tuple[Parameters, ...],
        x: Shaped[Array, "samples ..."],
        y: Shaped[Array, "samples outputs"],
        repeat: Loop,
    ) -> tuple[Shaped[Array, " samples"], Shaped[Array, "samples outputs"]]:
        """Return the losses of the reconstructions, and the reconstructions."""
        inferred = _inferred_input(xp, learner, learner.inference, parameters, x, y, repeat)
        return _forward(xp, learner, parameters, inferred, y)

    def truth(
        self, x: Float[NDArray[Any], "samples n_in"], y: Float[NDArray[Any], "samples n_out"]
    ) -> Float[NDArray[Any], "samples n_out"]:
        """Return the targets."""
        return y


def _forward(
    xp: Namespace, learner: Learner, parameters: tuple[Parameters, ...], x: Array, y: Array
) -> tuple[Array, Array]:
    """Return the losses of a forward pass, and its outputs."""
    energy = learner.inference.energy
    outputs = energy.network.outputs(xp, parameters, x)
    return energy.loss.value(xp, outputs, y), outputs


def _inferred_input(
    xp: Namespace,
    learner: Learner,
    inference: Inference,
    parameters: tuple[Parameters, ...],
    x: Array,
    y: Array,
    repeat: Loop,
) -> Array:
    """Return state 0, the free input, after the learner's steps of inference from x."""
    clamped = inference.clamp(xp, parameters, x, y)

    def one_step(step: Any, carry: Any) -> Any:
        point = inference.evaluate(xp, clamped, carry)
        return inference.advance(xp, clamped, point, carry, learner.stepper, step)

    carry = repeat(learner.steps, one_step, inference.begin(xp, clamped, None, learner.stepper))
    return inference.evaluate(xp, clamped, carry).states[0]
