"""The learner: how a network learns from a batch, what that leaves behind, and how its optimiser moves weights."""

from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple

from pcsim.errors import UsageError
from pcsim.inference import Inference, drawing_for
from pcsim.inference.steppers import Stepper
from pcsim.inference.stopping import StopRule
from pcsim.learning.amortising import AmortiserRule
from pcsim.learning.clipping import clip_to_norm
from pcsim.learning.optimizers import Optimizer, update_layer
from pcsim.learning.precisions import PrecisionRule, with_moved_precisions
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.network import AMORTISER

Memory = tuple[dict[str, Any], ...]
"""What the optimisers remember, arranged like the parameters."""


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
class AgainstForwardPass:
    """One weight update at the end of inference, with errors against the feedforward pass (Qi et al. 2025).

    ε_i = s_i − ŝ_i⁰ and −∂ℓ/∂ŷ at ŷ⁰, with predictions, and what gradients take from below, of the feedforward pass:
    what predictions have moved by during inference is left out.
    """


@dataclass(frozen=True)
class Learner:
    """How a network learns from a batch: inference, its number of steps, the weights' optimiser and when it acts.

    `clip` is the largest norm of the gradient of all parameters together; with `stop` inference ends as soon as that
    is met on the batch; `speeds` are the layers' learning rates in units of the common one, 0 where a layer is frozen;
    `precisions` is how these are learned that the network has among its parameters, `amortiser` how that learns which
    it has beside it: clipping, speeds and the rates of updates are not for these.
    Raises `UsageError` for fewer than one step, and where weights change during inference for a stop rule and for
    errors that do not follow from the states.
    """

    inference: Inference
    stepper: Stepper
    steps: int
    optimizer: Optimizer
    rule: AtTheEnd | AfterEveryStep | AgainstForwardPass = AtTheEnd()
    clip: float | None = None
    stop: StopRule | None = None
    speeds: tuple[float, ...] | None = None
    precisions: PrecisionRule | None = None
    amortiser: AmortiserRule | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UsageError(f"learning needs at least 1 step of inference, not {self.steps}")
        if self.updates_every_step and self.stop is not None:
            raise UsageError("incremental learning takes the same number of steps in every update: drop the stop rule")
        if self.updates_every_step and not _errors_follow_from_states(self.inference):
            raise UsageError(
                f"incremental learning does not go with {type(self.inference).__name__}: use StateOptimization or "
                "SequentialStateOptimization in the standard form, or update the weights at the end of inference"
            )

    @property
    def updates_every_step(self) -> bool:
        """Whether weights change during inference (incremental PC)."""
        return isinstance(self.rule, AfterEveryStep)

    @property
    def recalls_forward_pass(self) -> bool:
        """Whether weights learn from errors against the feedforward pass."""
        return isinstance(self.rule, AgainstForwardPass)

    def drawing_for(self, samples: Array, update: Any) -> "Learner":
        """Return the learner before samples (batch,), by number, in an update: what inference draws is theirs."""
        if not self.inference.traits.draws:
            return self
        return replace(self, inference=drawing_for(self.inference, samples, update))

    def follow(
        self,
        xp: Namespace,
        parameters: tuple[Parameters, ...],
        gradient: tuple[Parameters, ...],
        memory: Memory,
        rate: Any,
        number: Any,
    ) -> tuple[tuple[Parameters, ...], Memory]:
        """Return the parameters and the optimiser's memory after update `number` along a gradient, clipped if asked.

        Arrays without a gradient, statistics of norms, stay, and so do those of layers that are frozen.
        """
        if self.amortiser is not None:
            parameters, gradient, memory = self.amortiser.follow(xp, parameters, gradient, memory, number)
        speeds = self.speeds or (1.0,) * len(parameters)
        gradient = tuple(own if speed else {} for own, speed in zip(gradient, speeds, strict=True))
        if self.precisions is not None:
            units = [prod(shape) for shape in self.inference.energy.network.layer_shapes]
            parameters, gradient = with_moved_precisions(xp, self.precisions, parameters, gradient, units)
        if self.clip is not None:
            gradient = clip_to_norm(xp, gradient, self.clip)
        moved, remembered = list[Parameters](), list[dict[str, Any]]()
        for own, slopes, known, speed in zip(parameters, gradient, memory, speeds, strict=True):
            learned = {name: array for name, array in own.items() if name in slopes}
            pace = rate if speed == 1.0 else speed * rate
            after, kept = update_layer(xp, self.optimizer, learned, slopes, known, pace, number)
            moved.append(own | after)
            remembered.append(known | kept)
        return tuple(moved), tuple(remembered)


class Learned(NamedTuple):
    """What a batch leaves behind, in the type of the run unless said.

    `layerwise` energies (layers, batch) in the wide type at the end of inference, from where the last gradient was
    taken; `output` ŷ (batch, outputs) of the feedforward pass, where the input is free of that from the input
    inferred; `has_signal` says for every layer whether any error at that end is not zero, a boolean scalar each;
    `steps` counts those of inference under a stop rule.
    """

    parameters: tuple[Parameters, ...]
    memory: Memory
    layerwise: Array
    output: Array
    has_signal: tuple[Array, ...]
    steps: Array | None = None


def fresh(xp: Namespace, learner: Learner, parameters: tuple[Parameters, ...]) -> Memory:
    """Return what a learner's optimisers remember before their first update."""
    rule = learner.amortiser

    def begun(name: str, array: Array) -> Any:
        optimizer = learner.optimizer if rule is None or not name.startswith(AMORTISER) else rule.optimizer
        return optimizer.begin(xp, array)

    return tuple({name: begun(name, array) for name, array in own.items()} for own in parameters)


def _errors_follow_from_states(inference: Inference) -> bool:
    traits = inference.traits
    return not (traits.moves_errors or traits.carries_errors or traits.freezes_predictions)
