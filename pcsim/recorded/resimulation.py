"""Simulating again: the run that a trace came from, made of nothing but what the trace holds."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from pcsim.assemble import Hidden, Inputs, build_network, require_parameter_range
from pcsim.datasets import require_range
from pcsim.engine.backend import Descent, Flow, Task
from pcsim.errors import UsageError
from pcsim.jobs import one_thread
from pcsim.model.network import Network
from pcsim.recorded import called, check_parameters, fitting, parameters_of
from pcsim.recorded.embedded import of_trace
from pcsim.runs.provenance import describe_machine
from pcsim.runs.simulation import Simulation, prepare
from pcsim.scenario import GivenNetwork, Scenario
from pcsim.trace import Trace
from pcsim.typing import NDArray


def simulation_of(
    trace: Trace,
    backend: str | None = None,
    precision: str | None = None,
    allow: str | Sequence[str] = (),
    network: GivenNetwork | None = None,
) -> Simulation:
    """Return the simulation a trace came from, made of what the trace holds, up to its last recorded step or time.

    In the place of the trace a flow goes on as it would have: its solver must not know of another end. Raises
    `UsageError` for a trace that lacks something, whose arrays do not fit its scenario, or whose noise is
    drawn otherwise now.
    """
    scenario, _, inputs = setting_of(trace, backend, precision, allow, network)
    simulation = prepare(scenario, inputs)
    _require_known_noise(trace)
    return replace(simulation, task=_up_to_the_end(trace, simulation))


def setting_of(
    trace: Trace,
    backend: str | None = None,
    precision: str | None = None,
    allow: str | Sequence[str] = (),
    network: GivenNetwork | None = None,
) -> tuple[Scenario, Network, Inputs]:
    """Return scenario, network and inputs of the inference in a trace, after training the trained parameters.

    Modules in `allow` are imported, and nothing else that the trace names.
    Raises `UsageError` as `simulation_of` does.
    """
    embedded = of_trace(trace, allow=allow, network=network)
    scenario = with_recorded_step(trace, embedded.parse().on(backend, precision))
    built = build_network(scenario)
    parameters = check_parameters(trace, built, parameters_of(trace))
    require_parameter_range(parameters, scenario.backend.precision_name, called(trace))
    batch = trace.array("data/x").shape[:1]
    x, y = (
        fitting(trace, path, trace.array(path), (*batch, *shape)).astype(np.float64)
        for path, shape in (("data/x", built.input_shape), ("data/y", built.layer_shapes[-1]))
    )
    for path, values in (("data/x", x), ("data/y", y)):
        require_range(values, scenario.backend.precision_name, f"{called(trace)}: {path}")
    hidden, source = _hidden(trace, scenario, x, y), embedded.beside.get("data", "")
    return scenario, built, Inputs(parameters, x, y, source, hidden)


def setting_in_double(trace: Trace, allow: str | Sequence[str] = ()) -> tuple[Scenario, Network, Inputs]:
    """Return the setting of a trace for theory: on numpy, in float64."""
    return setting_of(trace, "numpy", "float64", allow)


def _hidden(trace: Trace, scenario: Scenario, x: NDArray[np.float64], y: NDArray[np.float64]) -> Hidden | None:
    if scenario.data.mask is None:
        return None
    units = (prod((x if scenario.inference.input == "masked" else y).shape[1:]),)
    mask, truth, mean = (
        fitting(trace, path, trace.array(path), shape)
        for path, shape in (("data/mask", units), ("data/truth", (len(x), *units)), ("data/mean", units))
    )
    return Hidden(mask.astype(np.bool_), truth.astype(np.float64), mean.astype(np.float64))


def with_recorded_step(trace: Trace, scenario: Scenario) -> Scenario:
    """Return a trace's scenario with what its automatic step size came to; `UsageError` where the trace lacks it."""
    if scenario.inference.step_size != "auto":
        return scenario
    found = trace.attributes.get("step_size")
    if found is None:
        raise UsageError(
            f'{called(trace)} has no attribute step_size, the number that step_size = "auto" came to; write it there'
        )
    return scenario.at_step_size(float(found))


def _require_known_noise(trace: Trace) -> None:
    if "noise" in trace.attributes and "draws" not in trace.attributes:
        raise UsageError(
            f"{trace.path}: has noise that an older version drew otherwise than it is drawn now; run it again"
        )


def _up_to_the_end(trace: Trace, simulation: Simulation) -> Task:
    """Return the task that ends where the trace does, be it by a stop rule that is met elsewhere in another precision.

    In continuous time samples come to rest one by one, a run can end or fail between the times asked for, and a solver
    takes other steps towards another end. In the place of the trace the task is therefore the same again; elsewhere it
    goes through the times that the trace holds.
    """
    task = simulation.task
    if not _fits(trace.steps, task.motion):
        # No run of this scenario: one is simulated that is, and the rows differ.
        return task
    if task.inference.traits.searches:
        # Trials differ from place to place; what the search ends in does not.
        return task
    if isinstance(task.motion, Descent):
        return replace(task, motion=replace(task.motion, steps=int(trace.steps[-1])), stop=None)
    if is_same_place(trace, simulation):
        return task
    return replace(task, motion=replace(task.motion, times=tuple(float(time) for time in trace.steps)), stop=None)


def _fits(clock: NDArray[Any], motion: Descent | Flow) -> bool:
    """Tell whether recorded steps or times ascend, and to no more than the scenario asks for."""
    end = motion.steps if isinstance(motion, Descent) else motion.end
    return len(clock) > 0 and clock[0] >= 0 and clock[-1] <= end and bool((clock[1:] > clock[:-1]).all())


def ended_itself(trace: Trace) -> bool:
    """Return whether a run came to its end or failed of its own; a full disk, an interruption and a callback end it."""
    whole = trace.status == "complete" and "stopped_by" not in trace.attributes
    return whole or "failure" in trace.attributes


def as_many_threads(trace: Trace) -> AbstractContextManager[Any]:
    """Let matrix products use one thread where they did so in the run: many runs at a time share the processors."""
    threads = trace.provenance.get("threads", "") if "provenance" in trace else ""
    return one_thread() if threads.startswith("1,") else nullcontext()


def is_same_place(trace: Trace, simulation: Simulation) -> bool:
    """Return whether a new simulation runs where the trace was made, and has to give the same bits."""
    able, attributes = simulation.capabilities, trace.attributes
    machine = all(trace.provenance.get(key) == value for key, value in describe_machine(simulation.packages).items())
    place = (simulation.scenario.backend.name, simulation.task.precision, able.device)
    return machine and place == tuple(attributes[key] for key in ("backend", "precision", "device"))
