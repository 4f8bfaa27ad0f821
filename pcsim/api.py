"""`pcsim.run`: one call for a single run, its training, or a study of many."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from pcsim.engine.processes import Processes
from pcsim.errors import UsageError
from pcsim.report.progress import in_notebook, shown_progress
from pcsim.runs.experiment import run_experiment
from pcsim.runs.hooks import Callback, Hooks, Progress, hooks_of
from pcsim.runs.together import require_one_run, share_in
from pcsim.scenario import Given, GivenNetwork, Scenario, scenario_of
from pcsim.studies import Part, run_study
from pcsim.trace import Trace


def run(
    scenario: Given,
    overrides: str | Sequence[str] = (),
    *,
    network: GivenNetwork | None = None,
    backend: str | None = None,
    precision: str | None = None,
    path: str | Path | None = None,
    force: bool = False,
    progress: Progress | bool | None = None,
    on_epoch: Callback | None = None,
    on_rows: Callback | None = None,
    resume: str | Path | None = None,
    jobs: int | None = 1,
    part: str | None = None,
    cluster: str | None = None,
    processes: Processes | None = None,
) -> Trace:
    """Run a scenario and return its trace, in memory or written to `path` as the run goes.

    It is one that was read, the name of one that ships, the path of a file, tables of keys (a dict), or TOML text;
    `overrides` are texts like "inference.step_size=0.05", one or several. A `network`, or a function that returns it,
    replaces what the scenario says of its layers.
    With `[learning]` the network is trained first, and inference runs on the trained one; with `[sweep]` or `[study]`
    the trace holds the results of the study. `backend` and `precision` replace the scenario's; `force` allows an
    existing file to be replaced; `resume` names the trace of a training run that was broken off, which goes on from its
    last checkpoint in the same place, of one that has come to its end and goes on to more epochs, or of a study, whose
    finished runs are kept. The runs of a study go side by side
    in `jobs` processes (None: as many as there are cores where that is worth it); a script that asks for several begins
    below `if __name__ == "__main__":`. `part` is a share of them, "2/8", written to `NAME-part2of8.h5`, which
    `pcsim.merge` puts together with the others; `cluster` a Dask scheduler, `tcp://host:8786` or its file, whose
    workers carry runs out. With `processes` several share the training of one run, and this is number 0; the others
    call `pcsim.take_part`. Raises `UsageError` before anything is started, `RunFailed` if the run diverges
    or the disk fills up, `Interrupted` after Ctrl-C, and in the main thread after SIGTERM and SIGHUP: the trace up to
    there is kept and attached to the error as `trace`.

    `on_epoch` is called after every epoch with its row of `trace.training`, numbers and (layer,) arrays by name;
    `on_rows` with new rows of updates (`update`, `loss`, `energy` (update, layer), …) and of inference (`step` or
    `time`, `energy` (step, layer), …), as arrays by name, when they are in the trace. One that returns "stop" ends
    training after the epoch under way, `on_rows` of inference that, too: the network is kept, the trace complete.
    `progress` is called with the update, step or time and the last one; True shows a bar, or off a terminal a line an
    epoch, as notebooks do unless it is False. What one of them raises is raised when the trace is finished, its
    cause an `Interrupted` that holds it.
    """
    scenario = scenario_of(scenario, overrides, network)
    if processes is not None and processes.number != 0:
        raise UsageError(f"process {processes.number} takes part in what process 0 runs: use pcsim.take_part")
    if processes is not None:
        require_one_run(scenario)
    if scenario.learning is not None and scenario.learning.seeds is not None:
        raise UsageError(f"{scenario.where('learning.seeds')}: several runs; use pcsim.run_seeds, or at_seed for one")
    share = None if part is None else Part.read(part)
    _require_several(scenario, jobs, share, cluster)
    scenario = scenario.on(backend, precision)
    target = None if path is None else Path(path)
    broken_off = None if resume is None else Path(resume)
    with _hooks(scenario, progress, on_epoch, on_rows) as hooks:
        if scenario.asks_for is None:
            return run_experiment(
                scenario,
                path=target,
                force=force,
                hooks=hooks,
                resume=broken_off,
                processes=processes,
                further=True,
            )
        if on_epoch is not None or on_rows is not None:
            raise UsageError("on_epoch and on_rows are told of one run; the scenario asks for a study of several")
        return run_study(
            scenario,
            path=target if target is None or share is None else share.path(target),
            force=force,
            resume=broken_off,
            jobs=jobs,
            part=share,
            cluster=cluster,
            progress=hooks.progress,
        )


def take_part(
    scenario: Given,
    overrides: str | Sequence[str] = (),
    *,
    processes: Processes,
    network: GivenNetwork | None = None,
    backend: str | None = None,
    precision: str | None = None,
) -> int:
    """Do the share of one of several processes in a training run that process 0 leads; return the updates made.

    The scenario, given as in `pcsim.run`, is that of process 0, which alone writes a trace, reads a checkpoint and
    decides when training ends. Raises `UsageError` before anything is started, also where the processes do not meet
    within a minute or are not about to train the same; `RunFailed` where process 0 was lost; and `Interrupted` for a
    signal, once process 0 has ended.
    """
    return share_in(scenario_of(scenario, overrides, network).on(backend, precision), processes)


def _require_several(scenario: Scenario, jobs: int | None, part: Part | None, cluster: str | None) -> None:
    """Raise `UsageError` for what is said of several runs where there is one, and for two places at once."""
    several = jobs is not None and jobs != 1
    if several and scenario.asks_for is None:
        raise UsageError(f"jobs={jobs} is for several runs, and the scenario is of one: add [sweep], or leave it out")
    if (part or cluster) and scenario.sweep is None and scenario.search is None:
        raise UsageError("part and cluster are for the runs of a [sweep]: seeds are seed = [0, 1, 2] in it")
    if several and cluster is not None:
        raise UsageError("jobs is for this machine, cluster for its own workers; give one of them")


@contextmanager
def _hooks(
    scenario: Scenario, progress: Progress | bool | None, on_epoch: Callback | None, on_rows: Callback | None
) -> Generator[Hooks]:
    """Yield what is told of a run: what a call gave, and what shows how far it is where that is wanted."""
    if callable(progress) or progress is False or (progress is None and not in_notebook()):
        yield hooks_of(progress if callable(progress) else None, on_epoch, on_rows)
        return
    with shown_progress(scenario, Console()) as shown:
        yield hooks_of(shown.progress, on_epoch, on_rows).and_of((shown.epoch,), (shown.rows,))
