"""Running a scenario: from a validated reading to a trace."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import h5py

from pcsim.backend import TrainingBackend
from pcsim.errors import Interrupted, RunFailed, UsageError
from pcsim.interruption import deferred_interrupt
from pcsim.learning.checkpoint import Origin, checkpoint_path, read_checkpoint
from pcsim.learning.training import Standing, Trained
from pcsim.provenance import describe_machine
from pcsim.scenario import Scenario, scenario_text
from pcsim.simulation import Simulation, prepare
from pcsim.teaching import in_float64, remove_checkpoint, teach, to_standing
from pcsim.trace import Trace, TraceWriter, open_trace
from pcsim.tracing import (
    create_trace,
    final_arrays,
    outcome_of,
    resume_trace,
    status_of,
    trained_arrays,
    training_outcome,
)

Progress = Callable[[float, float], None]
"""Called now and then with the update, step or time and the last one: updates where there is training."""


def run(
    scenario: Scenario,
    *,
    backend: str | None = None,
    precision: str | None = None,
    path: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
    resume: str | Path | None = None,
) -> Trace:
    """Run a scenario and return its trace, in memory or written to `path` as the run goes.

    With `[learning]` the network is trained first, and inference runs on the trained one. `backend` and `precision`
    replace the scenario's; `force` allows an existing file to be replaced; `resume` names the trace of a training run
    that was broken off, which goes on from its last checkpoint in the same place. Raises `UsageError` before anything
    is started, `RunFailed` if the run diverges or the disk fills up, `Interrupted` after Ctrl-C: the trace up to there
    is kept and attached to the error as `trace`.
    """
    simulation = prepare(scenario.on(backend, precision))
    target = None if path is None else Path(path)
    if target is not None and force:
        _check_replaceable(target)
    origin = _origin(simulation)
    start, opened = None, _Opened(simulation, target, force)
    if resume is not None:
        target = Path(resume)
        start = _standing(simulation, target, origin)
        opened = replace(opened, target=target, start=start)
    kept = "" if target is None else f"; the trace up to there is in {target}"
    with deferred_interrupt() as interrupted, opened.writer() as writer:
        attempt = _Attempt(simulation, writer, origin, kept, progress, interrupted)
        try:
            return attempt.go(start)
        except MemoryError as error:
            raise RunFailed(f"out of memory: {error}{kept}; use a smaller data.batch or record less") from error


@dataclass(frozen=True)
class _Opened:
    """The trace that a run writes: a new one, or one that goes on."""

    simulation: Simulation
    target: Path | None
    force: bool
    start: Standing | None = None

    def writer(self) -> AbstractContextManager[TraceWriter]:
        if self.start is None or self.target is None:
            return create_trace(self.simulation, self.target, self.force)
        with open_trace(self.target) as old:
            return resume_trace(self.simulation, self.target, old, self.start.snapshot.updates, self.start.epoch)


@dataclass(frozen=True)
class _Attempt:
    """A run on its way: what it is, where its trace is written, and who wants to know or to stop it."""

    simulation: Simulation
    writer: TraceWriter
    origin: Origin
    kept: str
    progress: Progress | None
    interrupted: Callable[[], bool]

    def go(self, start: Standing | None) -> Trace:
        """Train if there is something to learn, infer, and return the finished trace."""
        simulation, arrays, outcome = self.simulation, dict[str, Any](), dict[str, Any]()
        task = simulation.task
        if simulation.lesson is not None:
            trained = self._train(start)
            arrays, outcome = dict(trained_arrays(trained)), training_outcome(trained)
            if trained.failure is not None or trained.interrupted:
                self._stop_training(trained, self.writer.finish(status_of(trained), outcome, arrays))
            task = replace(task, parameters=in_float64(trained.parameters))
        settled = simulation.backend.settle(task, self.writer.append, self._poll(task.motion.end))
        arrays |= final_arrays(settled)
        trace = self.writer.finish(status_of(settled), outcome | outcome_of(settled), arrays)
        if settled.failure is not None:
            raise RunFailed(f"{settled.failure}{self.kept}", trace)
        if settled.interrupted:
            raise Interrupted(f"interrupted {_when(trace)}{self.kept}", trace)
        if trace.path is not None and simulation.lesson is not None:
            remove_checkpoint(trace.path)
        return trace

    def _train(self, start: Standing | None) -> Trained:
        lesson = self.simulation.lesson
        if lesson is None:
            raise AssertionError("training without a lesson")
        # What trains says so in its capabilities, which `prepare` has asked.
        trainer = cast("TrainingBackend", self.simulation.backend).trainer(lesson.task)
        return teach(lesson, trainer, self.writer, self.origin, self._poll(lesson.updates, training=True), start)

    def _stop_training(self, trained: Trained, trace: Trace) -> None:
        if trained.failure is not None:
            raise RunFailed(f"{trained.failure}{self.kept}", trace)
        again = f"; go on with --resume {trace.path}" if trace.path is not None and trained.epochs else ""
        raise Interrupted(f"interrupted after epoch {trained.epochs}{self.kept}{again}", trace)

    def _poll(self, end: float, *, training: bool = False) -> Callable[[float], bool]:
        reported = training or self.simulation.lesson is None

        def poll(clock: float) -> bool:
            if self.progress is not None and reported:
                self.progress(clock, end)
            return self.interrupted()

        return poll


def _standing(simulation: Simulation, trace: Path, origin: Origin) -> Standing:
    """Return where the training run of a trace stood at its last checkpoint; `UsageError` if it cannot go on."""
    if simulation.lesson is None:
        raise UsageError(f"{trace} cannot be resumed: the scenario has no [learning], and inference starts anew")
    checkpoint = read_checkpoint(checkpoint_path(trace))
    checkpoint.check_fits(origin)
    return to_standing(checkpoint)


def _origin(simulation: Simulation) -> Origin:
    versions = describe_machine(simulation.capabilities.packages)["versions"]
    scenario = simulation.scenario
    return Origin(scenario_text(scenario), scenario.backend.name, simulation.task.precision, versions)


def _check_replaceable(path: Path) -> None:
    """Raise `UsageError` for a file that is no trace, such as a scenario: replacing it would be a slip."""
    if path.is_file() and path.stat().st_size > 0 and not h5py.is_hdf5(path):
        raise UsageError(f"{path} is not a trace, and only traces are replaced; choose another name with -o")


def _when(trace: Trace) -> str:
    last = trace.last_clock
    return f"at time {last:g}" if trace.clock == "time" else f"after step {last:.0f}"
