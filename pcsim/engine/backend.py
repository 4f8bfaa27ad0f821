"""Backends: where a simulation runs. What they are given, what they leave behind and what they promise."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Protocol, runtime_checkable

import numpy as np

from pcsim.engine.processes import Group
from pcsim.inference import Inference
from pcsim.inference.steppers import Stepper
from pcsim.inference.stopping import StopRule
from pcsim.learning import Optimizer
from pcsim.learning.trainer import Trainer, TrainingTask
from pcsim.model.arithmetic import Arithmetic
from pcsim.model.arrays import Array, Parameters
from pcsim.model.energy import States
from pcsim.model.layers import Part, Shape
from pcsim.trace.layout import Block
from pcsim.typing import NDArray


@dataclass(frozen=True)
class Descent:
    """Discrete inference: `steps` steps of `stepper`; `recorded` are the ascending steps to record besides the last."""

    stepper: Stepper
    steps: int
    recorded: Sequence[int]

    @property
    def end(self) -> int:
        """The last step."""
        return self.steps


@dataclass(frozen=True)
class Flow:
    """Continuous inference, dz/dt = −∇E, or dz = −∇E dt + √(2T) dW at a `temperature` T > 0 (Langevin).

    `times` are ascending and all recorded, the run ends at the last. With a `step_size` the solver takes constant
    steps, except that none goes beyond a recorded time; without one it adapts them to `rtol` and `atol`. `seed` is that
    of the noise.
    """

    solver: str
    times: tuple[float, ...]
    step_size: float | None = None
    rtol: float = 1e-6
    atol: float = 1e-9
    temperature: float = 0.0
    seed: int = 0

    @property
    def end(self) -> float:
        """The last time."""
        return self.times[-1]


@dataclass(frozen=True)
class Task:
    """One inference run, as a backend receives it: all arrays in float64 on the host.

    `initial` holds the starting variables, or None for a feedforward pass; `record` says what to record besides
    arrivals and final values.
    """

    inference: Inference
    motion: Descent | Flow
    stop: StopRule | None
    parameters: tuple[dict[str, NDArray[np.float64]], ...]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    initial: tuple[NDArray[np.float64], ...] | None
    record: frozenset[str]
    precision: str
    arithmetic: Arithmetic = field(default_factory=Arithmetic)

    @property
    def descent(self) -> Descent:
        """The motion of a discrete task; backends without solvers are never given another."""
        if not isinstance(self.motion, Descent):
            raise TypeError(f"the task runs in continuous time with the solver '{self.motion.solver}'")
        return self.motion

    def arrays(
        self, to_run: Callable[[NDArray[np.float64]], Array]
    ) -> tuple[tuple[Parameters, ...], Array, Array, States | None]:
        """Return parameters, input, target and initial variables as arrays of the run, which `to_run` makes of each."""
        parameters = tuple({name: to_run(v) for name, v in layer.items()} for layer in self.parameters)
        initial = None if self.initial is None else tuple(map(to_run, self.initial))
        return parameters, to_run(self.x), to_run(self.y), initial


@dataclass(frozen=True)
class SolverWork:
    """What an ODE solver did for every sample, (batch,) each: steps taken, steps rejected, fields evaluated.

    A step tried again with another size counts as rejected. Evaluations for differences and Jacobian products count.
    """

    steps: NDArray[np.int64]
    rejected: NDArray[np.int64]
    evaluations: NDArray[np.int64]


@dataclass(frozen=True)
class Equilibria:
    """Where the search for every sample's equilibrium ended, (batch,) each.

    `residual` is the norm of the gradient over all errors, `energy` that of the sample, both at the point that was
    kept; `evaluations` counts gradients, or what costs as much; `converged` says that the residual is at the threshold,
    `stalled` that there was no way down any more before it was. `smallest_eigenvalue` is that of the Hessian over the
    errors, if asked for.
    """

    residual: NDArray[np.float64]
    energy: NDArray[np.float64]
    evaluations: NDArray[np.int64]
    converged: NDArray[np.bool_]
    stalled: NDArray[np.bool_]
    smallest_eigenvalue: NDArray[np.float64] | None = None

    @property
    def minimum(self) -> NDArray[np.bool_] | None:
        """Which samples converged to a minimum; None where nobody asked for their curvature."""
        return None if self.smallest_eigenvalue is None else self.converged & (self.smallest_eigenvalue > 0.0)


@dataclass(frozen=True)
class FlowOutcome:
    """What continuous time adds to what a run leaves behind.

    `end` is where the solver had got to, `arrival_times` (layers,) are the recorded times at which a signal was first
    seen, NaN if never; `precision` is what the solver computed in where that is not the precision of the run.
    """

    end: float
    arrival_times: NDArray[np.float64]
    work: SolverWork
    precision: str | None = None


class Ending(Enum):
    """Why a run stopped."""

    FINISHED = auto()
    """All steps are taken, or the last time is reached."""
    CONVERGED = auto()
    """The stop rule is met, or every sample has found its equilibrium."""
    INTERRUPTED = auto()
    """Someone asked it to."""
    FAILED = auto()
    """It could not go on."""

    @classmethod
    def of(cls, failure: str | None, converged: bool, interrupted: bool) -> "Ending":
        """Return what weighs most of all that holds at the end of a run."""
        if failure is not None:
            return cls.FAILED
        return cls.CONVERGED if converged else cls.INTERRUPTED if interrupted else cls.FINISHED


@dataclass(frozen=True)
class Settled:
    """What an inference run leaves behind: host arrays in the type of the run, one a layer.

    `failure` is a sentence on why a run could not go on, and what to do (None: it did not fail). In continuous time
    `steps_taken` and `arrival_steps` count the solver's steps (those of the sample that took most), the arrays are
    those of the last recorded time, and `flow` says more. `input` is there where the input is free, `equilibria` where
    the method looks for them.
    """

    states: tuple[NDArray[Any], ...]
    errors: tuple[NDArray[Any], ...]
    output: NDArray[Any]
    gradient: tuple[dict[str, NDArray[Any]], ...] | None
    arrival_steps: NDArray[np.int64]
    steps_taken: int
    ending: Ending
    inference_seconds: float
    compile_seconds: float = 0.0
    failure: str | None = None
    flow: FlowOutcome | None = None
    input: NDArray[Any] | None = None
    equilibria: Equilibria | None = None

    @property
    def converged(self) -> bool:
        """Whether it stopped where it was to arrive."""
        return self.ending is Ending.CONVERGED

    @property
    def interrupted(self) -> bool:
        """Whether it was broken off, and could go on."""
        return self.ending is Ending.INTERRUPTED


LAYERS = ("dense", "conv", "pool", "norm", "add")
"""All that a list of layers may hold, in the words of a scenario."""


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do here; `problem` and `fix` say why it cannot be used (None: it can).

    `solvers` are those for continuous time and `rules` those of learning, none if it has none; `bounds` that energies
    come with rigorous bounds; `packages` are those besides numpy and SciPy whose versions decide the last bits;
    `devices` is how many devices here can share batches of training, 0 where it trains on one alone; `own` are the
    kinds of users' own things, written over the namespace, that it runs, `lenders` packages whose optimisers it takes;
    `learns_precisions` says that it learns these, `precision_matrices` that these may be matrices, `amortises` that it
    trains an amortiser, from whose guesses inference may start; `interprets` that every update of training costs anew
    what a task costs without samples. `limits` are sentences on what else is refused. "exact" is any number of bits.
    """

    device: str
    precisions: tuple[str, ...]
    methods: tuple[str, ...]
    layers: tuple[str, ...]
    solvers: tuple[str, ...] = ()
    problem: str | None = None
    fix: str | None = None
    bounds: bool = False
    rules: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    lenders: tuple[str, ...] = ()
    learns_precisions: bool = False
    precision_matrices: bool = False
    amortises: bool = False
    interprets: bool = False
    devices: int = 0


@runtime_checkable
class Backend(Protocol):
    """Where a simulation runs: arithmetic, loop and device."""

    def capabilities(self) -> Capabilities:
        """Return what this backend supports on this machine, without allocating on a device."""
        ...

    def estimate(self, task: Task) -> float:
        """Return about how many seconds a task will take.

        Raises `UsageError` for one that this backend cannot run or finish: nothing has been started then.
        """
        ...

    def settle(self, task: Task, sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
        """Run inference, hand recorded rows to `sink` in blocks, and stop soon once `poll(step or time)` is true."""
        ...


@runtime_checkable
class FunctionBackend(Backend, Protocol):
    """A backend that differentiates functions itself, and takes them as layers."""

    def function_part(
        self, function: Callable[[Parameters, Array], Array], shape: Shape, arrays: Mapping[str, Shape]
    ) -> Part:
        """Return a function of parameters, by name with their shapes, and one sample of a shape as a layer part."""
        ...


@runtime_checkable
class TrainingBackend(Backend, Protocol):
    """A backend that can train, too."""

    def trainer(self, task: TrainingTask) -> Trainer:
        """Return a trainer that stands before the first update."""
        ...


@runtime_checkable
class BorrowingBackend(TrainingBackend, Protocol):
    """A backend that takes optimisers of other packages."""

    def optimizer(self, word: str, options: Mapping[str, Any]) -> Optimizer:
        """Return an optimiser by its name, as `optax.lion`, made with some options.

        Raises `UsageError` where the package is missing, and for what it has not or does not take.
        """
        ...


@runtime_checkable
class JoiningBackend(TrainingBackend, Protocol):
    """A backend that can train on the devices of several processes."""

    def joined(self, group: Group) -> AbstractContextManager[None]:
        """Have the devices of all processes of a group for its own, until left.

        Trainers then take every step together, all processes in the same order. Raises `UsageError` where that cannot
        be done.
        """
        ...
