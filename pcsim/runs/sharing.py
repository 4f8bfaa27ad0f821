"""Where several runs go: here one after another, or side by side in processes of this machine."""

from collections.abc import Sequence
from math import prod

from pcsim.assemble import needs_this_process
from pcsim.errors import UsageError
from pcsim.jobs import Cluster, Executor, Here, Processes, usable_cores
from pcsim.resources import memory_bytes
from pcsim.runs.simulation import Simulation, prepare
from pcsim.scenario import Scenario

WORTH_PROCESSES = 5.0
"""Estimated seconds of all runs together from which processes, a second each to start, are worth it."""
_OF_A_PROCESS = 400e6
_COPIES = 4
"""Bytes of a process without data, and how often it holds them: as read, in float64, and while they change."""
_SHARE_OF_MEMORY = 0.7


def executor_for(scenarios: Sequence[Scenario], jobs: int | None = None, cluster: str | None = None) -> Executor:
    """Return where runs go: to a cluster, to so many processes, or without a number to as many as there are cores.

    Without a number short runs stay here, and so do those on a device; there are no more processes than memory holds
    data for. Runs of what is registered in this process alone stay here, whatever the number. Raises `UsageError` for
    a cluster that cannot be used, and for no process at all.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"jobs={jobs} is not allowed; give 1 or more, or None for as many as there are cores")
    if cluster is not None:
        if any(map(needs_this_process, scenarios)):
            raise UsageError("--cluster: the scenario names what is registered in this process alone; leave it out")
        return Cluster(cluster)
    count = min(usable_cores() if jobs is None else jobs, len(scenarios))
    if count < 2 or any(map(needs_this_process, scenarios)):
        return Here()
    return Processes(count) if jobs is not None else _worth_it(scenarios, count)


def lasts(scenarios: Sequence[Scenario], seconds: float) -> bool:
    """Tell whether training is expected to last longer than that in the first of several runs."""
    simulation = _first_that_runs(scenarios) if any(each.learning is not None for each in scenarios) else None
    return simulation is not None and simulation.training_seconds > seconds


def _worth_it(scenarios: Sequence[Scenario], count: int) -> Executor:
    simulation = _first_that_runs(scenarios)
    if simulation is None or not simulation.capabilities.device.startswith("cpu"):
        return Here()
    seconds = simulation.seconds
    count = min(count, int(_SHARE_OF_MEMORY * memory_bytes() / (_OF_A_PROCESS + _COPIES * _bytes_of(simulation))))
    return Processes(count) if count > 1 and seconds * len(scenarios) > WORTH_PROCESSES else Here()


def _first_that_runs(scenarios: Sequence[Scenario]) -> Simulation | None:
    for scenario in scenarios:
        try:
            return prepare(scenario)
        except UsageError:  # which is a row of its own
            continue
    return None


def _bytes_of(simulation: Simulation) -> int:
    task = simulation.task
    shapes = [task.x.shape, task.y.shape, *(array.shape for layer in task.parameters for array in layer.values())]
    if simulation.training is not None:
        samples = simulation.training.samples
        splits = (samples.train, samples.validation, samples.test)
        shapes += [array.shape for split in splits if split is not None for array in (split.x, split.y)]
    return 8 * sum(map(prod, shapes))
