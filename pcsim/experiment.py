"""Running a scenario: from a validated reading to a trace."""

import signal
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pcsim.arithmetic import NARROW
from pcsim.assemble import Inputs, build_network, build_task, load_inputs, named
from pcsim.backend import Backend, Capabilities, Descent, Flow, Settled, Task, load_backend, require
from pcsim.errors import Interrupted, RunFailed, UsageError
from pcsim.network import Network
from pcsim.provenance import describe_machine
from pcsim.scenario import Scenario, scenario_text
from pcsim.trace import Layout, Trace, TraceWriter


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
    """Seconds the backend expects to take."""


def prepare(scenario: Scenario, inputs: Inputs | None = None) -> Simulation:
    """Make a scenario ready to run, with its own inputs or those given (a trace's, to simulate it again).

    Raises `UsageError` for everything that can be known to fail before a run starts.
    """
    name = scenario.backend.name
    with named(scenario, "backend.name"):
        backend = load_backend(name)
    precision = scenario.backend.precision_name
    with named(scenario, _blamed(scenario, backend.capabilities())):
        capabilities = require(name, backend, precision, scenario.inference.method, scenario.inference.solver)
    network = build_network(scenario)
    try:
        inputs = load_inputs(scenario, network) if inputs is None else inputs
        task = build_task(scenario, network, inputs, precision)
    except MemoryError as error:
        raise UsageError(f"out of memory: {error}; use a smaller network, data.batch or data set") from error
    estimate = backend.estimate(task)
    return Simulation(scenario, network, inputs, task, backend, capabilities, estimate)


def _blamed(scenario: Scenario, able: Capabilities) -> str:
    """Return the key to name should the backend refuse: the one it cannot serve, or one that was written."""
    if able.problem is None and scenario.inference.method not in able.methods:
        return "inference.method"
    if able.problem is None and scenario.inference.solver not in (None, *able.solvers):
        return "inference.solver"
    written = scenario.where("backend.precision") != "backend.precision"
    return "backend.precision" if able.problem is None and written else "backend.name"


def run(
    scenario: Scenario,
    *,
    backend: str | None = None,
    precision: str | None = None,
    path: str | Path | None = None,
    force: bool = False,
    progress: Callable[[float, float], None] | None = None,
) -> Trace:
    """Run a scenario and return its trace, in memory or written to `path` as the run goes.

    `backend` and `precision` replace the scenario's; `force` allows an existing file to be replaced; `progress`
    is called now and then with the step or time and the last one. Raises `UsageError` before anything is started,
    `RunFailed` if the run diverges or the disk fills up, `Interrupted` after Ctrl-C: the trace up to there is
    kept and attached to the error as `trace`.
    """
    simulation = prepare(scenario.on(backend, precision))
    target = None if path is None else Path(path)
    if target is not None and force:
        _check_replaceable(target)
    kept = "" if target is None else f"; the trace up to there is in {target}"
    with deferred_interrupt() as interrupted, create_trace(simulation, target, force) as writer:

        def poll(clock: float) -> bool:
            if progress is not None:
                progress(clock, simulation.task.motion.end)
            return interrupted()

        try:
            settled = simulation.backend.settle(simulation.task, writer.append, poll)
        except MemoryError as error:
            raise RunFailed(f"out of memory: {error}{kept}; use a smaller data.batch or record less") from error
        trace = writer.finish(_status(settled), _outcome(settled), final_arrays(settled))
    if settled.failure is not None:
        raise RunFailed(f"{settled.failure}{kept}", trace)
    if settled.interrupted:
        raise Interrupted(f"interrupted {_when(settled)}{kept}", trace)
    return trace


def _check_replaceable(path: Path) -> None:
    """Raise `UsageError` for a file that is no trace, such as a scenario: replacing it would be a slip."""
    if path.is_file() and path.stat().st_size > 0 and not h5py.is_hdf5(path):
        raise UsageError(f"{path} is not a trace, and only traces are replaced; choose another name with -o")


def create_trace(simulation: Simulation, path: Path | None, force: bool) -> TraceWriter:
    """Create the trace of a simulation, with everything that is needed to simulate it again."""
    scenario, network, task = simulation.scenario, simulation.network, simulation.task
    layers = len(network.layers)
    bounds = {"energy_bound"} if simulation.capabilities.bounds and "energy" in task.record else set[str]()
    layout = Layout(
        clock="time" if isinstance(task.motion, Flow) else "step",
        layer_names=(*(f"layer {i}" for i in range(layers - 1)), "output"),
        unit_shapes=network.layer_shapes,
        samples=len(task.x),
        record=task.record | bounds,
        dtype=np.dtype(np.float32 if task.precision in ("float32", *NARROW) else np.float64),
        rows=None if task.stop is not None else _rows(task.motion),
    )
    attributes: dict[str, str | int | float] = {
        "backend": scenario.backend.name,
        "precision": task.precision,
        "device": simulation.capabilities.device,
        "seed": scenario.seed,
        "title": scenario.title,
        "method": scenario.inference.method,
    }
    if scenario.inference.has_forms:
        attributes["form"] = scenario.inference.form
        attributes["skip"] = scenario.network.skip
    if task.arithmetic.rounding != "nearest":
        attributes["rounding"] = task.arithmetic.rounding
    if isinstance(task.motion, Flow):
        attributes |= solver_attributes(task.motion)
    provenance = {
        "scenario": scenario_text(scenario),
        "data": simulation.inputs.source,
        "command": " ".join(sys.argv),
        **describe_machine(simulation.capabilities.packages),
    }
    return TraceWriter.create(
        path,
        layout,
        attributes,
        {f"{name}_{i}": task.parameters[i][name] for name, i, _ in network.parameter_names},
        {"x": task.x, "y": task.y},
        provenance,
        force=force,
    )


def solver_attributes(motion: Flow) -> dict[str, str | int | float]:
    """Return how a flow is solved, as the root attributes of its trace."""
    attributes: dict[str, str | int | float] = {"solver": motion.solver}
    if motion.step_size is None:
        attributes |= {"rtol": motion.rtol, "atol": motion.atol}
    else:
        attributes["step_size"] = motion.step_size
    if motion.temperature > 0:
        attributes["noise"] = motion.temperature
    return attributes


def final_arrays(settled: Settled) -> Mapping[str, NDArray[Any]]:
    """Return what a trace keeps of the end of a run, by path."""
    arrays: dict[str, NDArray[Any]] = {"arrival_step": settled.arrival_steps, "final/output": settled.output}
    if settled.arrival_times is not None:
        arrays["arrival_time"] = settled.arrival_times
    if settled.work is not None:
        arrays |= {f"solver/{name}": counts for name, counts in vars(settled.work).items()}
    for i, (state, error) in enumerate(zip(settled.states, settled.errors, strict=True)):
        arrays[f"final/states/layer_{i}"] = state
        arrays[f"final/errors/layer_{i}"] = error
    for i, layer in enumerate(settled.gradient or ()):
        for name, value in layer.items():
            arrays[f"final/gradient/{name}_{i}"] = value
    return arrays


@contextmanager
def deferred_interrupt() -> Generator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a request that the loop can see, so that no row or file is torn; a second one kills.

    Outside the main thread signals cannot be caught: nothing is deferred there.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def ask(signum: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def _rows(motion: Descent | Flow) -> int:
    return len(motion.times) if isinstance(motion, Flow) else len(motion.recorded) + 1


def _when(settled: Settled) -> str:
    return f"after step {settled.steps_taken}" if settled.end is None else f"at time {settled.end:g}"


def _status(settled: Settled) -> str:
    if settled.failure is not None:
        return "failed"
    return "interrupted" if settled.interrupted else "complete"


def _outcome(settled: Settled) -> dict[str, str | int | float]:
    outcome: dict[str, str | int | float] = {
        "steps_taken": settled.steps_taken,
        "converged": int(settled.converged),
        "inference_seconds": settled.inference_seconds,
        "compile_seconds": settled.compile_seconds,
    }
    if settled.work is not None:
        outcome["rejected_steps"] = int(settled.work.rejected.max())
        outcome["field_evaluations"] = int(settled.work.evaluations.max())
    if settled.failure is not None:
        outcome["failure"] = settled.failure
    return outcome
