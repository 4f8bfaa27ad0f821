"""What a run puts into its trace: the beginning, the end, and how it ended."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pcsim.assemble import TrainingSetup, origins
from pcsim.engine.backend import Descent, Equilibria, Flow, Settled
from pcsim.inference import with_free_input
from pcsim.learning.diagnosis import is_aligned
from pcsim.learning.metrics import has_top_5
from pcsim.learning.progress import TrainingResult
from pcsim.model.arithmetic import NARROW, dtype_of
from pcsim.runs.provenance import describe_machine
from pcsim.runs.simulation import Simulation
from pcsim.runs.training import by_name
from pcsim.scenario import Scenario, scenario_text
from pcsim.trace import Beginning, Layout, Trace, TraceWriter, resume
from pcsim.trace.assemble import RUN_ID
from pcsim.trace.atomic import temporary_name
from pcsim.trace.held import HOLD_SECONDS
from pcsim.trace.layout import ARRIVALS
from pcsim.trace.shared import left_to
from pcsim.trace.space import check_room
from pcsim.trace.training import Training
from pcsim.typing import NDArray

Attributes = dict[str, str | int | float]


def create_trace(
    simulation: Simulation, path: Path | None, force: bool, shared_in: str | None = None, run_id: str | None = None
) -> TraceWriter:
    """Create the trace of a simulation, with everything that is needed to simulate it again.

    Network and data may be left to the trace with the file name `shared_in` beside it. With `run_id` it belongs to a
    run that was broken off.
    """
    beginning = _beginning(simulation, run_id)
    if shared_in:
        beginning = left_to(shared_in, beginning)
    return TraceWriter.create(path, beginning, force=force, hold=HOLD_SECONDS if simulation.training is None else 0.0)


def room_for(simulation: Simulation, path: Path) -> int:
    """Return how many bytes the trace of a simulation takes at most; `UsageError` where its folder has not so much."""
    needed = _beginning(simulation).whole_bytes
    check_room(path.absolute().parent / temporary_name(path), needed, 0)
    return needed


def resume_trace(simulation: Simulation, path: Path, old: Trace, run_id: str, updates: int, epochs: int) -> TraceWriter:
    """Create the trace of a simulation in the place of an old one, with the rows of training up to a checkpoint."""
    return resume(path, old, _beginning(simulation, run_id), updates=updates, epochs=epochs)


def _beginning(simulation: Simulation, run_id: str | None = None) -> Beginning:
    scenario, network, task = simulation.scenario, simulation.network, simulation.task
    provenance = {
        "scenario": scenario_text(scenario, relative=True),
        **({"folder": scenario.reading.folder} if scenario.reading.relative else {}),
        "data": simulation.inputs.source,
        **simulation.inputs.digests,
        **({"extensions": found} if (found := origins(scenario)) else {}),
        "command": " ".join(sys.argv),
        **describe_machine(simulation.packages),
    }
    dtype = dtype_of(task.precision)
    given = {
        f"{name}_{i}": _plain(task.parameters[i][name].astype(dtype, copy=False))
        for name, i, _ in network.parameter_names
    }
    data: dict[str, Any] = {"x": task.x, "y": task.y}
    if (hidden := simulation.inputs.hidden) is not None:
        data |= {"mask": hidden.mask.astype(np.uint8), "truth": hidden.truth, "mean": hidden.mean}
    attributes = _attributes(simulation) | ({} if run_id is None else {RUN_ID: run_id})
    return Beginning(_layout(simulation), attributes, given, data, provenance)


def _layout(simulation: Simulation) -> Layout:
    scenario, network, task = simulation.scenario, simulation.network, simulation.task
    bounds = {"energy_bound"} if simulation.capabilities.bounds and "energy" in task.record else set[str]()
    return Layout(
        clock="time" if isinstance(task.motion, Flow) else "step",
        layer_names=network.layer_names,
        unit_shapes=network.layer_shapes,
        input_shape=network.input_shape,
        samples=len(task.x),
        record=(task.record & {*scenario.trace.record} - {ARRIVALS}) | bounds,
        dtype=np.dtype(np.float32 if task.precision in ("float32", *NARROW) else np.float64),
        rows=None if task.stop is not None else _rows(task.motion),
        training=None if simulation.training is None else _training(scenario, simulation.training),
        free_input=scenario.inference.input != "clamped",
    )


def _attributes(simulation: Simulation) -> Attributes:
    scenario, task = simulation.scenario, simulation.task
    attributes: Attributes = {
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
    if simulation.training is not None:
        attributes |= _epoch(simulation.training)
        if scenario.learning is not None and scenario.learning.freeze is not None:
            attributes["frozen_layers"] = " ".join(map(str, sorted(scenario.learning.freeze)))
        if (devices := simulation.training.task.devices) > 1:
            attributes["devices"] = devices
    free = [end for end in ("input", "output") if getattr(scenario.inference, end) == "free"]
    if free:
        attributes["free"] = free[0]
    masked = [end for end in ("input", "output") if getattr(scenario.inference, end) == "masked"]
    if masked:
        attributes["masked"] = " ".join(masked)
    if task.arithmetic.rounding != "nearest":
        attributes["rounding"] = task.arithmetic.rounding
    if task.stop is not None:
        attributes["stop"] = str(task.stop)
    if isinstance(task.motion, Flow):
        attributes |= solver_attributes(task.motion)
    if scenario.inference.noise > 0:
        attributes |= {"noise": scenario.inference.noise, "draws": "threefry"}
    return attributes | step_attributes(simulation)


def _epoch(setup: TrainingSetup) -> Attributes:
    """Return how an epoch uses the training samples."""
    plan, samples = setup.plan, len(setup.samples.train.x)
    short = plan.last_batch(samples)
    return {
        "updates_per_epoch": plan.updates_per_epoch(samples),
        "training_samples": samples,
        "left_out": plan.left_over(samples),
        "shuffled": int(plan.seed is not None),
        **({"last_batch": short} if short else {}),
    }


def _training(scenario: Scenario, setup: TrainingSetup) -> Training:
    inference = setup.task.learner.inference
    if scenario.inference.input == "free":
        inference = with_free_input(inference)
    return Training(
        setup.updates,
        setup.plan.epochs,
        validation=setup.samples.validation is not None,
        top_5=has_top_5(setup.plan.classes),
        alignment=is_aligned(inference),
        steps=setup.task.learner.stop is not None or setup.task.learner.inference.traits.ends,
        step_size=setup.plan.step_size_finder is not None,
        evaluate=setup.plan.evaluate,
    )


def step_attributes(simulation: Simulation) -> Attributes:
    """Return what an automatic step size has come to, as a root attribute; nothing where it was given."""
    return {} if simulation.step_size is None else {"step_size": simulation.step_size}


def solver_attributes(motion: Flow) -> Attributes:
    """Return how a flow is solved, as the root attributes of its trace."""
    attributes: Attributes = {"solver": motion.solver}
    if motion.step_size is None:
        attributes |= {"rtol": motion.rtol, "atol": motion.atol}
    else:
        attributes["step_size"] = motion.step_size
    if motion.temperature > 0:
        attributes["noise"] = motion.temperature
    return attributes


def trained_arrays(trained: TrainingResult) -> Mapping[str, NDArray[Any]]:
    """Return what a trace keeps of the end of training, by path."""
    return {f"final/network/{name}": _plain(array) for name, array in by_name(trained.parameters).items()}


def training_outcome(trained: TrainingResult) -> Attributes:
    """Return how training went, as root attributes."""
    outcome: Attributes = {
        "epochs_trained": trained.epochs,
        "updates": trained.updates,
        "training_seconds": trained.seconds,
        "stopped_early": int(trained.stopped_early),
    }
    if status_of(trained) == "complete":
        outcome["epoch_kept"] = trained.kept
    if trained.silent:
        outcome["silent_layers"] = " ".join(map(str, trained.silent))
    return outcome if trained.failure is None else outcome | {"failure": trained.failure}


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array that HDF5 tools know: bfloat16 as float32."""
    return array if array.dtype.kind == "f" else array.astype(np.float32)


def final_arrays(settled: Settled) -> Mapping[str, NDArray[Any]]:
    """Return what a trace keeps of the end of a run, by path."""
    arrays: dict[str, NDArray[Any]] = {"arrival_step": settled.arrival_steps, "final/output": settled.output}
    if settled.flow is not None:
        arrays["arrival_time"] = settled.flow.arrival_times
        arrays |= {f"solver/{name}": counts for name, counts in vars(settled.flow.work).items()}
    if settled.equilibria is not None:
        arrays |= _of_equilibria(settled.equilibria)
    for i, (state, error) in enumerate(zip(settled.states, settled.errors, strict=True)):
        arrays[f"final/states/layer_{i}"] = state
        arrays[f"final/errors/layer_{i}"] = error
    if settled.input is not None:
        arrays["final/input"] = settled.input
    for i, layer in enumerate(settled.gradient or ()):
        for name, value in layer.items():
            arrays[f"final/gradient/{name}_{i}"] = value
    return arrays


def _of_equilibria(found: Equilibria) -> dict[str, NDArray[Any]]:
    """Return what is kept of a search, by path; truth values as 0 and 1, which every HDF5 tool reads."""
    arrays = {name: values for name, values in {**vars(found), "minimum": found.minimum}.items() if values is not None}
    return {
        f"equilibrium/{name}": values.astype(np.int64) if values.dtype == np.bool_ else values
        for name, values in arrays.items()
    }


def _rows(motion: Descent | Flow) -> int:
    if isinstance(motion, Flow):
        return len(motion.times)
    return len(motion.recorded) + (motion.steps not in motion.recorded)  # the last step is recorded in any case


def status_of(settled: Settled | TrainingResult) -> str:
    """Return the status of a trace that ends like this."""
    if settled.failure is not None:
        return "failed"
    return "interrupted" if settled.interrupted else "complete"


def outcome_of(settled: Settled) -> Attributes:
    """Return how inference went, as root attributes."""
    outcome: Attributes = {
        "steps_taken": settled.steps_taken,
        "converged": int(settled.converged),
        "inference_seconds": settled.inference_seconds,
        "compile_seconds": settled.compile_seconds,
    }
    if settled.flow is not None:
        outcome["rejected_steps"] = int(settled.flow.work.rejected.max())
        outcome["field_evaluations"] = int(settled.flow.work.evaluations.max())
        if settled.flow.precision is not None:
            outcome["solver_precision"] = settled.flow.precision
    if settled.failure is not None:
        outcome["failure"] = settled.failure
    return outcome
