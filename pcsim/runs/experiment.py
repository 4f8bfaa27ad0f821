"""Running a scenario: from a validated reading to a trace."""

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pcsim.assemble import TrainingSetup
from pcsim.engine.backend import Ending, Settled
from pcsim.engine.processes import Processes
from pcsim.errors import DeviceFailed, Interrupted, RunFailed, out_of_memory
from pcsim.interruption import StopRequest, stop_requests, words_of
from pcsim.learning.progress import TrainingResult, TrainingState
from pcsim.learning.trainer import Trainer
from pcsim.runs.checkpoint import checkpoint_path, remove_checkpoint
from pcsim.runs.clock import Clock
from pcsim.runs.further import check_fits, leads_further, to_go_on_from
from pcsim.runs.hooks import NOBODY, Hooks, Teller
from pcsim.runs.logs import check_logs, logging
from pcsim.runs.minima import with_minima
from pcsim.runs.sample_arrivals import SampleArrivals
from pcsim.runs.simulation import Simulation, prepare
from pcsim.runs.together import leading, together
from pcsim.runs.tracing import (
    Attributes,
    create_trace,
    final_arrays,
    outcome_of,
    resume_trace,
    status_of,
    step_attributes,
    trained_arrays,
    training_outcome,
)
from pcsim.runs.training import TraceLog, in_float64, origin_of, to_training_state, train
from pcsim.scenario import Scenario
from pcsim.trace import Block, Trace, TraceWriter, open_trace
from pcsim.trace.files import check_replaceable


def run_experiment(
    scenario: Scenario,
    *,
    path: Path | None = None,
    force: bool = False,
    hooks: Hooks = NOBODY,
    resume: Path | None = None,
    shared_in: str | None = None,
    processes: Processes | None = None,
    further: bool = False,
) -> Trace:
    """Simulate one scenario, training first where it asks for that, and return its trace; as `pcsim.run`.

    Network and data may be left to the trace with the file name `shared_in` beside it. With `further` the last
    checkpoint stays beside the finished trace where more epochs can follow.
    """
    with together(scenario, processes) as group:
        simulation = prepare(scenario)
        trainer = simulation.trainer() if group is None else leading(simulation, group)
        return _run(simulation, trainer, path, force, hooks, resume, shared_in, further)


def _run(
    simulation: Simulation,
    trainer: Trainer | None,
    path: Path | None,
    force: bool,
    hooks: Hooks,
    resume: Path | None,
    shared_in: str | None,
    further: bool,
) -> Trace:
    scenario, target = simulation.scenario, path
    if target is not None and force:
        check_replaceable(target)
    start, note, opened = None, None, _Opened(simulation, target, force, shared_in)
    if resume is not None:
        target = resume
        checkpoint = to_go_on_from(simulation.training, target)
        if trainer is not None and simulation.training is not None:
            note = check_fits(checkpoint, simulation.training, origin_of(simulation))
            start = to_training_state(checkpoint, trainer.snapshot())
        opened = replace(opened, target=target, start=start, run_id=checkpoint.run_id)
    check_logs(scenario, target, replace=force or resume is not None)
    with stop_requests() as stop, opened.writer() as writer, _logging(hooks, opened) as told:
        attempt = _Attempt(simulation, writer, target, Teller(told, stop), stop, further)
        try:
            trace = attempt.to_its_end(trainer, start, {} if note is None else {"note": note})
        except RunFailed as ended:
            if stop.error is not None:
                raise stop.error from ended
            raise
        if stop.error is not None:
            raise stop.error from Interrupted("a callback raised an error when all was done", trace)
        return trace


def run_as_far_as_it_goes(
    scenario: Scenario, path: Path | None = None, force: bool = False, shared_in: str | None = None
) -> Trace:
    """Return the trace of `run_experiment`, of a run that diverges or cannot go on what there is of it."""
    try:
        return run_experiment(scenario, path=path, force=force, shared_in=shared_in)
    except RunFailed as error:
        if error.trace is None or error.exit_code != RunFailed.exit_code:
            raise
        return error.trace


@dataclass(frozen=True)
class _Opened:
    """The trace that a run writes: a new one, or one that goes on."""

    simulation: Simulation
    target: Path | None
    force: bool
    shared_in: str | None = None
    start: TrainingState | None = None
    run_id: str = ""
    """Of the run that goes on."""

    def writer(self) -> AbstractContextManager[TraceWriter]:
        if self.start is None or self.target is None:
            writer = create_trace(self.simulation, self.target, self.force, self.shared_in)
            if self.target is not None:
                # One that a trace of the same name has left behind belongs to other rows.
                remove_checkpoint(self.target)
            return writer
        if not self.target.exists():
            return create_trace(self.simulation, self.target, force=False, run_id=self.run_id)
        updates, epochs = self.start.snapshot.updates, self.start.epoch
        with open_trace(self.target) as old:
            return resume_trace(self.simulation, self.target, old, self.run_id, updates, epochs)


def _logging(hooks: Hooks, opened: _Opened) -> AbstractContextManager[Hooks]:
    start = opened.start and (opened.start.epoch, opened.start.snapshot.updates)
    simulation = opened.simulation
    return logging(hooks, simulation.scenario, opened.target, simulation.network.layer_names, start)


@dataclass(frozen=True)
class _Attempt:
    """A run on its way: what it is, where its trace is written, and who wants to know or to stop it."""

    simulation: Simulation
    writer: TraceWriter
    target: Path | None
    teller: Teller
    stop: StopRequest
    further: bool

    @property
    def kept(self) -> str:
        """Where a user finds what there is, to end a sentence."""
        return "" if self.target is None else f"; the trace up to there is in {self.target}"

    @property
    def _again(self) -> str:
        """How a user goes on from the last checkpoint, to end a sentence."""
        return "" if self.target is None else f"; go on by the same command with --resume {self.target}"

    def to_its_end(self, trainer: Trainer | None, start: TrainingState | None, notes: Attributes) -> Trace:
        """Return the finished trace; `RunFailed` for a device that fails or has not memory enough."""
        try:
            return self._go(trainer, start, notes)
        except DeviceFailed as error:
            raise RunFailed(f"{error}{self.kept}", error.trace, again=True) from error
        except MemoryError as error:
            batch = "data.batch" if self.simulation.training is None else "learning.batch or data.batch"
            words = out_of_memory(error, f"use a smaller {batch} or record less")
            trace = self.writer.finish("failed", {"failure": words}, {})
            raise RunFailed(f"{words}{self.kept}", trace, again=True) from error

    def _go(self, trainer: Trainer | None, start: TrainingState | None, notes: Attributes) -> Trace:
        """Train if there is something to learn, infer, and return the finished trace."""
        simulation, arrays, outcome = self.simulation, dict[str, Any](), notes
        task, clock, further = simulation.task, Clock(), False
        if trainer is not None and simulation.training is not None:
            trained = self._train(simulation.training, trainer, start)
            further = self.further and leads_further(simulation.training, trained)
            arrays, outcome = dict(trained_arrays(trained)), outcome | training_outcome(trained)
            ended_by = self.teller.take_end()
            if ended_by is not None and trained.epochs < simulation.training.plan.epochs:
                outcome |= {"training_stopped_by": ended_by}
            if trained.failure is not None or trained.interrupted:
                self._stop_training(trained, self.writer.finish(status_of(trained), outcome | clock.read(), arrays))
            simulation = simulation.with_trained(in_float64(trained.parameters))
            task = simulation.task
            outcome |= step_attributes(simulation)
        arrivals = SampleArrivals(task, self._append)
        settled = simulation.backend.settle(task, arrivals.append, self._poll(task.motion.end))
        if settled.interrupted and not self.stop.asked:
            settled = replace(settled, ending=Ending.FINISHED)
            outcome |= {"stopped_by": "on_rows"}
        if simulation.scenario.inference.curvature and settled.failure is None:
            settled = with_minima(task, settled)
        arrays |= {**final_arrays(settled), **arrivals.arrays()}
        trace = self.writer.finish(status_of(settled), outcome | outcome_of(settled) | clock.read(), arrays)
        if settled.failure is not None:
            raise RunFailed(f"{settled.failure}{self.kept}", trace)
        if settled.interrupted:
            again = self._again if simulation.training is not None else ""
            raise self._interrupted(f"{_when(settled)}{self.kept}{again}", trace)
        if trace.path is not None and simulation.training is not None and not further:
            remove_checkpoint(trace.path)
        return trace

    def _train(self, setup: TrainingSetup, trainer: Trainer, start: TrainingState | None) -> TrainingResult:
        poll = self._poll(setup.updates, training=True)
        try:
            log = TraceLog(self.writer, origin_of(self.simulation), self.teller)
            return train(setup, trainer, log, poll, start)
        except RunFailed as error:
            again = self._again if self.target is not None and checkpoint_path(self.target).exists() else ""
            raise RunFailed(f"{error}{self.kept}{again}", error.trace, again=error.again) from error

    def _stop_training(self, trained: TrainingResult, trace: Trace) -> None:
        if trained.failure is not None:
            raise RunFailed(f"{trained.failure}{self.kept}", trace)
        again = self._again if trained.epochs > 0 else ""
        when = f"after epoch {trained.epochs}" if trained.epochs else "in epoch 1"
        raise self._interrupted(f"{when}{self.kept}{again}", trace)

    def _interrupted(self, when: str, trace: Trace) -> Interrupted:
        signum = self.stop.signum or signal.SIGINT
        return Interrupted(f"{words_of(signum)} {when}", trace, signum)

    def _append(self, block: Block) -> None:
        """Write rows of inference, and tell of them."""
        self.writer.append(block)
        self.teller.rows(self.writer.by_clock[self.writer.clock], block)

    def _poll(self, end: float, *, training: bool = False) -> Callable[[float], bool]:
        reported = training or self.simulation.training is None

        def poll(clock: float) -> bool:
            if reported:
                self.teller.progress(clock, end)
            # Training goes on to the end of its epoch.
            return self.stop.asked or (not training and self.teller.ended_by is not None)

        return poll


def _when(settled: Settled) -> str:
    return f"after step {settled.steps_taken}" if settled.flow is None else f"at time {settled.flow.end:g}"
