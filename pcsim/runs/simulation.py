"""A scenario made ready to run: backend found, files read, shapes checked; nothing has been computed or written."""

from dataclasses import dataclass, replace
from typing import Self, cast

import numpy as np

from pcsim.assemble import (
    Inputs,
    TrainingSetup,
    build_initial,
    build_network,
    build_step_size_finder,
    build_task,
    build_training_setup,
    inferring_with,
    load_inputs,
    named,
    packages_of,
    read_dataset,
    require_amortiser,
    require_lent,
    require_own,
    require_precision_matrices,
    require_precision_rule,
    require_shares,
    require_step_size,
)
from pcsim.engine.backend import Backend, Capabilities, Task, TrainingBackend
from pcsim.engine.free_input import FreeInputBackend
from pcsim.engine.free_output import FreeOutputBackend
from pcsim.engine.registry import load_backend, methods_of, require, trainers_besides
from pcsim.errors import UsageError, out_of_memory
from pcsim.inference.steppers import with_step_size
from pcsim.learning.trainer import AdjustableTrainer, AugmentingTrainer, Trainer
from pcsim.model.network import Network
from pcsim.scenario import Scenario
from pcsim.typing import NDArray


@dataclass(frozen=True)
class Simulation:
    """A scenario made ready: backend found, files read, shapes checked; nothing has been computed or written."""

    scenario: Scenario
    network: Network
    inputs: Inputs
    task: Task
    backend: Backend
    capabilities: Capabilities
    estimate: float
    """Seconds the backend expects inference to take."""
    training: TrainingSetup | None = None
    """What is learned before that, if anything."""
    step_size: float | None = None
    """What `step_size = "auto"` has come to, None where a number was given."""

    @property
    def packages(self) -> tuple[str, ...]:
        """Those whose versions decide the last bits."""
        return packages_of(self.scenario, self.capabilities)

    @property
    def training_seconds(self) -> float:
        """About how many seconds training takes, by what the backend says of inference; 0 without."""
        if self.training is None:
            return 0.0
        count = len(self.task.x)
        none = self.backend.estimate(replace(self.task, x=self.task.x[:0], y=self.task.y[:0], initial=None))
        each, updates = (self.estimate - none) / count, self.training.updates
        return none * (updates if self.capabilities.interprets else 1) + each * self.training.plan.batch * updates

    @property
    def seconds(self) -> float:
        """About how many seconds the whole run takes."""
        return self.estimate + self.training_seconds

    def trainer(self) -> Trainer | None:
        """Return the network in training, None without training; `UsageError` where the backend cannot train so."""
        if self.training is None:
            return None
        with named(self.scenario, _precision_key(self.scenario)):
            # What trains says so in its capabilities, which `prepare` has asked.
            trainer = cast("TrainingBackend", self.backend).trainer(self.training.task)
        if self.step_size is not None and not isinstance(trainer, AdjustableTrainer):
            name = self.scenario.backend.name
            raise UsageError(
                f"{self.scenario.where('inference.step_size')}: the backend '{name}' cannot "
                f'train with step_size = "auto"; give a number, or use the backend {trainers_besides(name)}'
            )
        if self.training.task.augmentation is not None and not isinstance(trainer, AugmentingTrainer):
            name = self.scenario.backend.name
            raise UsageError(
                f"{self.scenario.where('learning.augment')}: the backend '{name}' cannot augment images; remove it, or "
                f"use the backend {trainers_besides(name)}"
            )
        return trainer

    def with_trained(self, parameters: tuple[dict[str, NDArray[np.float64]], ...]) -> Self:
        """Return the inference with parameters that were learned, its step size found anew where that is automatic."""
        inference = inferring_with(self.task.inference, parameters)
        task = replace(self.task, parameters=parameters, inference=inference)
        scenario = self.scenario
        found = _automatic(scenario, self.network, replace(self.inputs, parameters=parameters))
        if found is None:
            return replace(self, task=task)
        motion = replace(task.descent, stepper=with_step_size(task.descent.stepper, found))
        return replace(self, task=replace(task, motion=motion), step_size=found)


def prepare(scenario: Scenario, inputs: Inputs | None = None) -> Simulation:
    """Make a scenario ready to run, with its own inputs or those given (a trace's, to simulate it again).

    Raises `UsageError` for everything that can be known to fail before a run starts.
    """
    backend, capabilities = usable_backend(scenario)
    precision = scenario.backend.precision_name
    network = build_network(scenario)
    try:
        setup = None
        if inputs is None:
            require_lent(scenario, capabilities)
            dataset = read_dataset(scenario)
            inputs = load_inputs(scenario, network, dataset)
            setup = build_training_setup(scenario, network, dataset, inputs, precision)
            _check_rule(scenario, capabilities)
            require_precision_rule(scenario, capabilities)
            if setup is not None:
                require_shares(scenario, setup, capabilities)
        step_size = _automatic(scenario, network, inputs)
        started = scenario if step_size is None else scenario.at_step_size(step_size)
        task = build_task(started, network, inputs, precision)
    except MemoryError as error:
        raise UsageError(out_of_memory(error, "use a smaller network, data.batch or data set")) from error
    if task.inference.traits.predicts_down and scenario.inference.output == "free":
        backend = FreeOutputBackend(backend)
    if scenario.inference.input != "clamped":
        backend = FreeInputBackend(backend, _held(scenario, inputs))
    estimate = backend.estimate(task)
    return Simulation(scenario, network, inputs, task, backend, capabilities, estimate, setup, step_size)


def usable_backend(scenario: Scenario) -> tuple[Backend, Capabilities]:
    """Return the backend of a scenario and what it can do.

    Raises `UsageError` for one that cannot be used here, and for words that it has nothing for.
    """
    name, precision = scenario.backend.name, scenario.backend.precision_name
    with named(scenario, "backend.name"):
        backend = load_backend(name)
    with named(scenario, _blamed(scenario, backend.capabilities())):
        capabilities = require(name, backend, precision, scenario.inference.method, scenario.inference.solver)
    require_own(scenario, capabilities)
    require_amortiser(scenario, capabilities)
    require_precision_matrices(scenario, capabilities)
    return backend, capabilities


def _automatic(scenario: Scenario, network: Network, inputs: Inputs) -> float | None:
    """Return what an automatic step size comes to from the start of inference, None where a number is given."""
    finder = build_step_size_finder(scenario, network)
    if finder is None:
        return None
    initial = build_initial(scenario, network, len(inputs.x))
    return require_step_size(scenario, finder.step_size(inputs.parameters, inputs.x, inputs.y, initial))


def _held(scenario: Scenario, inputs: Inputs) -> tuple[bool, ...]:
    """Return for every unit of a masked input whether it is known, nothing of one that is free throughout."""
    if inputs.hidden is None or scenario.inference.input != "masked":
        return ()
    return tuple((~inputs.hidden.mask).tolist())


def _blamed(scenario: Scenario, able: Capabilities) -> str:
    """Return the key to name should the backend refuse: the one it cannot serve, or one that was written."""
    if able.problem is None and scenario.inference.method not in methods_of(able):
        return "inference.method"
    if able.problem is None and scenario.inference.solver not in (None, *able.solvers):
        return "inference.solver"
    return _precision_key(scenario) if able.problem is None else "backend.name"


def _precision_key(scenario: Scenario) -> str:
    """Return the key to name for a precision that a backend has not got: its own only where it was written."""
    written = scenario.where("backend.precision") != "backend.precision"
    return "backend.precision" if written else "backend.name"


def _check_rule(scenario: Scenario, able: Capabilities) -> None:
    """Raise `UsageError` for a backend that cannot train by the scenario's rule."""
    if scenario.learning is not None and scenario.learning.rule not in able.rules:
        name, rule = scenario.backend.name, scenario.learning.rule
        has = f"it has {', '.join(able.rules)}" if able.rules else "it cannot train"
        raise UsageError(
            f"{scenario.where('learning.rule')}: backend '{name}' has no rule '{rule}': {has}; use the backend "
            f"{trainers_besides(name, rule)}"
        )
