"""`pcsim.run`: one call for a single run, its training, or a study of many."""

from collections.abc import Sequence
from pathlib import Path

from pcsim.errors import UsageError
from pcsim.runs.experiment import Progress, run_experiment
from pcsim.scenario import Given, GivenNetwork, scenario_of
from pcsim.studies import run_study
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
    progress: Progress | None = None,
    resume: str | Path | None = None,
) -> Trace:
    """Run a scenario and return its trace, in memory or written to `path` as the run goes.

    It is one that was read, the name of one that ships, the path of a file, tables of keys (a dict), or TOML text;
    `overrides` are texts like "inference.step_size=0.05", one or several. A `network`, or a function that returns it,
    replaces what the scenario says of its layers.
    With `[learning]` the network is trained first, and inference runs on the trained one; with `[sweep]` or `[study]`
    the trace holds the results of the study. `backend` and `precision`
    replace the scenario's; `force` allows an existing file to be replaced; `resume` names the trace of a training run
    that was broken off, which goes on from its last checkpoint in the same place. Raises `UsageError` before anything
    is started, `RunFailed` if the run diverges or the disk fills up, `Interrupted` after Ctrl-C, and in the main thread
    after SIGTERM and SIGHUP: the trace up to there is kept and attached to the error as `trace`. What `progress` raises
    is raised when the trace is finished, its cause an `Interrupted` that holds it.
    """
    scenario = scenario_of(scenario, overrides, network)
    if scenario.learning is not None and scenario.learning.seeds is not None:
        raise UsageError(f"{scenario.where('learning.seeds')}: several runs; use pcsim.run_seeds, or at_seed for one")
    scenario = scenario.on(backend, precision)
    target = None if path is None else Path(path)
    if scenario.asks_for is None:
        broken_off = None if resume is None else Path(resume)
        return run_experiment(scenario, path=target, force=force, progress=progress, resume=broken_off)
    if resume is not None:
        raise UsageError(f"{resume} cannot be resumed: the scenario asks for a study, whose runs start anew")
    return run_study(scenario, path=target, force=force, progress=progress)
