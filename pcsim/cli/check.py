"""`pcsim check`: say what is wrong with a scenario, or what it will do."""

from pathlib import Path
from typing import Any

import click

from pcsim.assemble import TrainingSetup, unknown_words
from pcsim.cli.options import allow_option, read, scenario_options
from pcsim.cli.terminal import echo
from pcsim.engine.backend import Descent, Flow
from pcsim.errors import UsageError
from pcsim.report.summary import solver_words
from pcsim.runs.logs import check_logs
from pcsim.runs.simulation import Simulation, prepare, usable_backend
from pcsim.runs.tracing import room_for, solver_attributes
from pcsim.scenario import Scenario, runs_of
from pcsim.studies import Work, require_of_run, require_of_study, work_of
from pcsim.trace.space import readable_size
from pcsim.words import count, duration


@click.command("check", short_help="Diagnose a scenario without running it.")
@scenario_options
@allow_option
def command(scenario: str, allow: tuple[str, ...], **changes: Any) -> None:
    """Diagnose SCENARIO: its keys, its data and weights, and whether the backend can run it."""
    reading = read(scenario, runs=False, allow=allow, **changes)
    if unknown := [f"{each.kind} '{each.word}'" for each in unknown_words(reading)]:
        echo(
            f"{scenario}: its words are fine, but not registered here: {', '.join(unknown)}; pcsim run imports what "
            "registers them, by --allow"
        )
        return
    if modules := reading.network.modules:
        usable_backend(reading)
        echo(f"{scenario}: its words are fine; the network is code of {', '.join(modules)}, which pcsim run imports")
        return
    simulation, runs, seconds = _prepared(reading)
    target = Path(f"{Path(scenario).stem}.h5")
    check_logs(reading, target, replace=True)
    bytes_needed = 0 if reading.asks_for is not None else room_for(simulation, target)
    task, network = simulation.task, simulation.network
    parameters = sum(array.size for layer in task.parameters for array in layer.values())
    echo(f"{scenario}: fine")
    echo(f"  network    {count(len(network.layers), 'layer')}, {count(parameters, 'parameter')}")
    echo(f"  data       {count(len(task.x), 'sample')} of {simulation.inputs.source}")
    work = None if reading.asks_for is None else work_of(reading.asks_for.kind)
    once = work is Work.ONCE and reading.learning is not None
    _say_training(prepare(reading.alone()) if once else simulation, "once, " if once else "", runs if not once else 1)
    # A study may do other things than its runs.
    time = "" if reading.asks_for is not None else f"; some {duration(simulation.estimate)} here"
    echo(f"  inference  {task.inference.name}, {_motion(task.motion)} recorded{time}")
    if reading.asks_for is not None:
        time = f"; some {duration(seconds)} here, one after another" if work is Work.RUNS and runs > 1 else ""
        many = count(runs, "run") if reading.search is None else count(reading.search.trials, "trial")
        echo(f"  study      {reading.asks_for.kind}, {many}{time}")
    echo(f"  backend    {simulation.scenario.backend.name}, {task.precision}, {simulation.capabilities.device}")
    size = f", up to {readable_size(bytes_needed)}" if bytes_needed else ""
    echo(f"  trace      {target}{size}{', which exists: run with --force or -o' if target.exists() else ''}")


def _say_training(simulation: Simulation, when: str, runs: int) -> None:
    if simulation.training is None:
        return
    time = f"{when}some {duration(simulation.training_seconds)} here{', the first of the runs' if runs > 1 else ''}"
    echo(f"  training   {_training(simulation.scenario, simulation.training)}; {time}")
    for line in _left_out(simulation.training):
        echo(f"  {line}")
    if (devices := simulation.training.task.devices) > 1:
        share = simulation.training.plan.batch // devices
        echo(f"  devices    {devices}, each with {count(share, 'sample')} of every batch")


def _prepared(scenario: Scenario) -> tuple[Simulation, int, float]:
    """Return the run that a scenario is of, the first of a sweep, how many there are, and the seconds of all together.

    Raises `UsageError` with a line for every run that is refused.
    """
    asked, runs = scenario.asks_for, runs_of(scenario)
    if asked is not None:
        require_of_study(asked.kind, scenario, runs)
    found, seconds = list[Simulation](), 0.0
    problems: dict[str, None] = {}
    for each in runs:
        try:
            simulation = prepare(each.scenario)
            simulation.trainer()
            found, seconds = found or [simulation], seconds + simulation.seconds
            if asked is not None:
                require_of_run(asked.kind, each)
        except UsageError as error:
            problems[f"{each.label()}: {error}" if len(runs) > 1 else str(error)] = None
    if problems:
        raise UsageError("\n".join(problems))
    return found[0], len(runs), seconds


def _training(scenario: Scenario, setup: TrainingSetup) -> str:
    if scenario.learning is None:
        raise TypeError("a setup without [learning]")
    table, samples = scenario.learning, setup.samples
    sizes = [f"{len(samples.train.x):,} to learn from"]
    for split, use in ((samples.validation, "to validate"), (samples.test, "to test")):
        sizes += [] if split is None else [f"{len(split.x):,} {use}"]
    repeated = "" if table.seeds is None else f"; for each of {count(len(table.seeds), 'seed')}"
    return (
        f"{table.rule}, {table.optimizer}, {count(table.epochs, 'epoch')}, {count(setup.updates, 'update')} of "
        f"{count(table.batch, 'sample')}; samples: {', '.join(sizes)}{repeated}"
    )


def _left_out(setup: TrainingSetup) -> list[str]:
    samples, batch = len(setup.samples.train.x), setup.plan.batch
    left = setup.plan.left_over(samples)
    if short := setup.plan.last_batch(samples):
        return [f"last batch {short:,} samples in every epoch: all others have {batch:,}"]
    whole = f"left out   {left:,} of {samples:,} training samples in every epoch: they fill no batch of {batch:,}"
    return [whole] if left else []


def _motion(motion: Descent | Flow) -> str:
    if isinstance(motion, Flow):
        return f"{solver_words(solver_attributes(motion))}, to time {motion.end:g}, {count(len(motion.times), 'row')}"
    rows = len(motion.recorded) + (motion.steps not in motion.recorded)
    return f"{count(motion.steps, 'step')}, {count(rows, 'row')}"
