"""The contract between the training loop and a backend: many updates at once, the parameters stay with the backend."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Bool, Float, Float64, Int64

from pcsim.learning.augmentation import Augmentation
from pcsim.learning.diagnosis import Diagnosis
from pcsim.learning.evaluation import ForwardPass, Scoring
from pcsim.learning.learner import Learner
from pcsim.learning.pixels import Samples
from pcsim.typing import NDArray


@dataclass(frozen=True)
class TrainingTask:
    """What a backend trains: parameters and all training samples, in float64 on the host, or x as bytes.

    `x` is (samples, *input_shape), `y` (samples, n_out); `precision` that of the run; `evaluation` says how to measure
    it, `augmentation` what becomes of images x before an update, `devices` how many share the samples of a batch.
    """

    learner: Learner
    parameters: tuple[dict[str, NDArray[Any]], ...]
    x: Samples
    y: NDArray[Any]
    precision: str
    evaluation: Scoring = field(default_factory=ForwardPass)
    augmentation: Augmentation | None = None
    devices: int = 1


class Updates(NamedTuple):
    """What consecutive updates leave behind, on the host.

    `energy` holds the batch means at the end of inference; `loss` (a batch mean) and `outputs` are those of the
    feedforward pass before it, or of that from the inferred input where the input is free; `signal` says which layers
    had any non-zero error, and so learned; `steps` counts those of inference.
    """

    energy: Float64[NDArray[Any], "updates layers"]
    loss: Float64[NDArray[Any], " updates"]
    outputs: Float[NDArray[Any], "updates batch n_out"]
    signal: Bool[NDArray[Any], "updates layers"]
    steps: Int64[NDArray[Any], " updates"]


class Outcome(NamedTuple):
    """What an evaluation makes of some samples: the loss of each, and the answers, outputs ŷ or inferred labels."""

    losses: Float64[NDArray[Any], " samples"]
    answers: Float[NDArray[Any], "samples answers"]


class Snapshot(NamedTuple):
    """Where training stands, to the bit: host arrays in the type of the run."""

    parameters: tuple[dict[str, NDArray[Any]], ...]
    memory: Any
    updates: int


@runtime_checkable
class Trainer(Protocol):
    """A network in training on some backend."""

    def run(self, batches: Int64[NDArray[Any], "updates batch"], rates: Float64[NDArray[Any], " updates"]) -> Updates:
        """Update the parameters on one batch of sample numbers after another, each with its learning rate."""
        ...

    def diagnose(self, batch: Int64[NDArray[Any], " batch"], rate: float) -> Diagnosis:
        """Return what `run` would do next with one batch of sample numbers, and change nothing; host arrays."""
        ...

    def evaluate(self, x: Samples, y: Float64[NDArray[Any], "samples n_out"]) -> Outcome:
        """Return losses and answers, as the task's evaluation has them."""
        ...

    def snapshot(self) -> Snapshot:
        """Return where training stands."""
        ...

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of the same task."""
        ...


@runtime_checkable
class AdjustableTrainer(Trainer, Protocol):
    """A trainer whose inference can change its step size on the way."""

    def set_step_size(self, step_size: float) -> None:
        """Infer with another step size from now on, that of the first step where it decays."""
        ...


@runtime_checkable
class AugmentingTrainer(Trainer, Protocol):
    """A trainer that does what its task says of images before updates."""

    @property
    def augmentation(self) -> Augmentation | None:
        """That of the task."""
        ...
