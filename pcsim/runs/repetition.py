"""The same training run for several seeds, and what came of it on average."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pcsim.assemble import data_sha256, read_dataset
from pcsim.errors import Interrupted, RunFailed, UsageError
from pcsim.interruption import signal_of, stopping_at_once, words_of
from pcsim.jobs import Here
from pcsim.runs.checkpoint import EPOCHS, checkpoint_path, first_difference, other_files
from pcsim.runs.experiment import run_experiment
from pcsim.runs.hooks import NOBODY, Callback, Hooks, Progress, hooks_of
from pcsim.runs.sharing import executor_for
from pcsim.scenario import Scenario, scenario_text
from pcsim.trace import Trace, open_trace
from pcsim.words import count

MEASURES = ("test_accuracy", "test_loss", "train_accuracy", "train_loss")


def run_seeds(
    scenario: Scenario,
    *,
    path: str | Path,
    force: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
    on_epoch: Callback | None = None,
    on_rows: Callback | None = None,
    each: Callable[[Trace], None] | None = None,
    failed: Callable[[int, RunFailed], None] | None = None,
    jobs: int | None = 1,
    counted: Progress | None = None,
) -> tuple[Path, ...]:
    """Run a scenario once for every seed in `learning.seeds`, and return where the traces are.

    The trace of seed 3 at `path` = `run.h5` is `run-seed3.h5`; `each` is called with every finished trace, which is
    closed afterwards, `failed` with a seed whose run fails and its error, after which the rest runs. `resume` takes
    finished traces as they are, and goes on with one that was broken off or has fewer epochs. Seeds go side by side in
    `jobs` processes (None: as many as there are cores where that is worth it); how many are over, and of how many, is
    then told to `counted`, or to `progress` without it. Raises `RunFailed` where all seeds fail, `Interrupted` as `run`
    does, the traces of earlier seeds kept, and, before anything is started, `UsageError` without seeds, for a trace
    that exists unless `force` allows to replace it, and for one to resume that is of another scenario.
    """
    if scenario.learning is None or scenario.learning.seeds is None:
        raise UsageError(
            f"{scenario.where('learning.seeds')}: no seeds are given; write seeds = [0, 1, 2] in [learning]"
        )
    wanted = Path(path)
    targets = {seed: wanted.with_name(f"{wanted.stem}-seed{seed}{wanted.suffix}") for seed in scenario.learning.seeds}
    finished = {seed for seed, target in targets.items() if resume and _is_finished(scenario.at_seed(seed), target)}
    if resume and not any(target.exists() or checkpoint_path(target).exists() for target in targets.values()):
        first = next(iter(targets.values()))
        raise UsageError(f"there is nothing to resume: {first} does not exist; name the trace without -seed…")
    for target in targets.values():
        if target.exists() and not force and not resume:
            raise UsageError(f"{target} exists; choose another name with -o, or replace it with --force")
    failures: list[RunFailed] = []
    hooks = hooks_of(progress, on_epoch, on_rows)
    left = [seed for seed in targets if seed not in finished]
    for seed, target in targets.items():
        if seed in finished and each is not None:
            with open_trace(target) as trace:
                each(trace)
    begun = {seed: targets[seed] for seed in left}
    for seed, found in _run_all(scenario, begun, wanted, force, resume, hooks, jobs, counted or progress):
        if isinstance(found, RunFailed):
            failures.append(found)
            if failed is not None:
                failed(seed, found)
        elif each is not None:
            each(found)
        kept = found.trace if isinstance(found, RunFailed) else found
        if kept is not None:
            kept.close()
    if len(failures) == len(targets):
        raise RunFailed(f"all {len(failures)} seeds failed, the first: {failures[0]}")
    return tuple(targets.values())


def _is_finished(scenario: Scenario, target: Path) -> bool:
    """Tell whether a trace holds the whole run; raises `UsageError` for a run of something else."""
    if not target.exists():
        return False
    with open_trace(target) as trace:
        if trace.status != "complete":
            return False
        there, here = trace.provenance, scenario_text(scenario, relative=True)
        old = there.get("data_sha256")
        differs = partial(first_difference, there["scenario"], here, same_files=old is not None)
        if differs() is not None:
            if differs(but=(EPOCHS,)) is None and checkpoint_path(target).exists():
                return False  # it goes on to more epochs
            raise UsageError(f"{target} is of another scenario: replace it with --force, or choose another name (-o)")
        if old is not None and old != (new := data_sha256(scenario, read_dataset(scenario))):
            raise UsageError(other_files(str(target), "data", old, new))
        return True


def _run_all(
    scenario: Scenario,
    targets: Mapping[int, Path],
    wanted: Path,
    force: bool,
    resume: bool,
    hooks: Hooks,
    jobs: int | None,
    counted: Progress | None,
) -> Iterator[tuple[int, Trace | RunFailed]]:
    """Yield every seed that is over, and its trace or why it failed."""
    seeds, runs = list(targets), [scenario.at_seed(seed) for seed in targets]
    calls = [(run, targets[seed], force, resume) for seed, run in zip(seeds, runs, strict=True)]
    executor = executor_for(runs, jobs)
    here = isinstance(executor, Here)
    function = partial(_run_seed, hooks=hooks) if here else _run_apart
    over = 0
    try:
        with _stopping(here), closing(executor.run(function, calls)) as outcomes:
            for outcome in outcomes:
                seed, over = seeds[outcome.number], over + 1
                found = outcome.value if outcome.error is None else outcome.error
                if isinstance(found, Exception) and (
                    isinstance(found, Interrupted) or not isinstance(found, RunFailed)
                ):
                    raise found
                if isinstance(found, RunFailed) and found.trace is None and targets[seed].exists():
                    found.trace = open_trace(targets[seed])  # it does not travel
                yield seed, open_trace(targets[seed]) if found is None else found
                if counted is not None and not here:
                    counted(over, len(seeds))
    except Interrupted as error:
        words = re.sub(r"--resume \S+", f"--resume {wanted}", str(error.args[0]))
        raise Interrupted(words, error.trace, error.signum) from error
    except KeyboardInterrupt as error:
        signum = signal_of(error)
        raise Interrupted(f"{words_of(signum)}; go on with --resume {wanted}", None, signum) from error


def _stopping(here: bool) -> AbstractContextManager[None]:
    """Let signals stop the wait for other processes; a run that goes on here hears them itself."""
    return nullcontext() if here else stopping_at_once()


def _run_seed(scenario: Scenario, target: Path, force: bool, resume: bool, hooks: Hooks = NOBODY) -> Trace:
    if resume and checkpoint_path(target).exists():
        return run_experiment(scenario, hooks=hooks, resume=target, further=True)
    return run_experiment(scenario, path=target, force=force or resume, hooks=hooks, further=True)


def _run_apart(scenario: Scenario, target: Path, force: bool, resume: bool) -> None:
    _run_seed(scenario, target, force, resume).close()


class Average(NamedTuple):
    """Mean and standard deviation (of a sample; 0 of a single one) of a measure over so many seeds."""

    mean: float
    std: float
    seeds: int

    def in_words(self, name: str) -> str:
        """Return the line that people read; accuracies are in per cent there."""
        words, over = name.replace("_", " ").replace("train ", "training "), f"over {count(self.seeds, 'seed')}"
        if name.endswith("accuracy"):
            return f"{words} {100 * self.mean:.2f} ± {100 * self.std:.2f} % {over}"
        return f"{words} {self.mean:.4g} ± {self.std:.2g} {over}"


def averages(traces: Sequence[Mapping[str, float]]) -> dict[str, Average]:
    """Return the average of every measure that all runs have, by its name."""
    found: dict[str, Average] = {}
    for name in MEASURES if traces else ():
        values = np.array([each[name] for each in traces])
        if np.isfinite(values).all():
            spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
            found[name] = Average(float(values.mean()), spread, len(values))
    return found


def last_measures(trace: Trace) -> dict[str, float]:
    """Return the measures of the epoch whose parameters a trace keeps."""
    row = trace.kept_row
    return {name: float("nan") if row is None else float(trace.training[name][row]) for name in MEASURES}
