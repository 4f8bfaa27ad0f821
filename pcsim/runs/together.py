"""One training run in several processes: the first leads and writes the trace, the others do their share."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np

from pcsim.engine.backend import JoiningBackend
from pcsim.engine.processes import LOST, Group, Processes, met
from pcsim.engine.registry import load_backend, others_that
from pcsim.errors import DeviceFailed, Interrupted, PcsimError, RunFailed, UsageError
from pcsim.interruption import stop_requests, words_of
from pcsim.learning.diagnosis import Diagnosis
from pcsim.learning.pixels import Samples
from pcsim.learning.samples import DataParts
from pcsim.learning.trainer import AdjustableTrainer, Outcome, Snapshot, Trainer, Updates
from pcsim.runs.checkpoint import Origin, by_path, first_difference
from pcsim.runs.simulation import Simulation, prepare
from pcsim.runs.training import origin_of
from pcsim.scenario import Scenario
from pcsim.typing import NDArray

T = TypeVar("T")


def require_one_run(scenario: Scenario) -> None:
    """Raise `UsageError` for a scenario of several runs: processes share the training of one."""
    if scenario.asks_for is not None or (scenario.learning is not None and scenario.learning.seeds is not None):
        raise UsageError("several processes share one training run, and the scenario asks for several")


@contextmanager
def together(scenario: Scenario, processes: Processes | None) -> Generator[Group | None]:
    """Have the devices of all processes as one row, until left; None where there is but this one.

    Raises `UsageError` before anything is started: where there is nothing to share, and where they do not meet.
    """
    if processes is None:
        yield None
        return
    name, devices = scenario.backend.name, scenario.backend.devices
    if scenario.learning is None:
        raise UsageError("several processes share the training of a network, and the scenario has no [learning]")
    backend = load_backend(name)
    if not isinstance(backend, JoiningBackend):
        others = " or ".join(others_that(name, lambda able: able.devices > 0)) or "another one"
        raise UsageError(f"{scenario.where('backend.name')}: '{name}' runs in one process; use the backend {others}")
    if devices % processes.count:
        raise UsageError(
            f"{scenario.where('backend.devices')}: {devices}, but {processes.count} processes bring as many each; use "
            f"a multiple of {processes.count}"
        )
    with met(processes) as group, backend.joined(group):
        yield group


def agree(group: Group, origin: Origin) -> None:
    """Raise `UsageError`, in all processes, where not all are about to train the same from the same."""
    first, *others = (Origin(**words) for words in group.gather(asdict(origin)))
    for number, other in enumerate(others, 1):
        found = first_difference(other.scenario, first.scenario, same_files=True)
        for what in ("backend", "precision", "versions", "data_sha256", "weights_sha256"):
            there, here = getattr(other, what), getattr(first, what)
            found = found or (f"{what} is {there} there, {here} here" if there != here else None)
        if found is not None:
            raise UsageError(f"process {number} is about to train something else than process 0: {found}")


@dataclass(frozen=True)
class LeadingTrainer:
    """A trainer all of whose steps are taken by every process: this one tells the others what comes next."""

    trainer: Trainer
    samples: DataParts
    group: Group

    def run(self, batches: NDArray[np.int64], rates: NDArray[np.float64]) -> Updates:
        """Update the parameters on one batch after another."""
        return self._told(lambda: self.trainer.run(batches, rates), "run", batches, rates)

    def diagnose(self, batch: NDArray[np.int64], rate: float) -> Diagnosis:
        """Return what `run` would do next with one batch."""
        return self._told(lambda: self.trainer.diagnose(batch, rate), "diagnose", batch, np.array(rate))

    def evaluate(self, x: Samples, y: NDArray[np.float64]) -> Outcome:
        """Return losses and answers for one part of the data, which all have."""
        part = next(name for name, split in self.samples._asdict().items() if split is not None and split.x is x)
        return self._told(lambda: self.trainer.evaluate(x, y), f"evaluate {part}")

    def set_step_size(self, step_size: float) -> None:
        """Infer with another step size from now on."""
        trainer = self.trainer
        if isinstance(trainer, AdjustableTrainer):
            self._told(lambda: trainer.set_step_size(step_size), "step_size", np.array(step_size))

    def snapshot(self) -> Snapshot:
        """Return where training stands."""
        return self.trainer.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        arrays = by_path((snapshot.parameters, snapshot.memory), "").values()
        self._told(lambda: self.trainer.restore(snapshot), "restore", *arrays, np.array(snapshot.updates))

    def _told(self, step: Callable[[], T], what: str, *arrays: NDArray[Any]) -> T:
        try:
            self.group.tell(what, *arrays)
            return step()
        except PcsimError:
            raise
        except Exception as error:
            if (number := self.group.lost()) is None:
                raise
            raise DeviceFailed(f"process {number} was lost, with its devices") from error


def follow(trainer: Trainer, samples: DataParts, group: Group) -> int:
    """Do what process 0 tells until that is over; return the updates made. Raises `RunFailed` where it was lost."""
    like, updates = trainer.snapshot(), 0
    while (told := group.hear()) is not None:
        what, arrays = told
        try:
            _carry_out(trainer, samples, like, what.split(), arrays)
        except PcsimError:
            raise
        except Exception as error:
            if group.lost() is None:
                raise
            raise RunFailed(LOST) from error
        updates += len(arrays[0]) if what == "run" else 0
    return updates


def _carry_out(
    trainer: Trainer, samples: DataParts, like: Snapshot, what: list[str], arrays: list[NDArray[Any]]
) -> None:
    match what:
        case ["run"]:
            trainer.run(*arrays)
        case ["diagnose"]:
            trainer.diagnose(arrays[0], float(arrays[1]))
        case ["evaluate", part]:
            trainer.evaluate(*getattr(samples, part))
        case ["step_size"] if isinstance(trainer, AdjustableTrainer):
            trainer.set_step_size(float(arrays[0]))
        case ["restore"]:
            trainer.restore(_snapshot(arrays, like))
        case _:
            raise RuntimeError(f"process 0 tells what cannot be done here: {what}")


def leading(simulation: Simulation, group: Group) -> LeadingTrainer:
    """Return the network in training by all processes, once they are found to be about to do the same."""
    return LeadingTrainer(*_share(simulation, group), group)


def _share(simulation: Simulation, group: Group) -> tuple[Trainer, DataParts]:
    trainer, setup = simulation.trainer(), simulation.training
    if trainer is None or setup is None:
        raise TypeError("a group without training")
    agree(group, origin_of(simulation))
    return trainer, setup.samples


def share_in(scenario: Scenario, processes: Processes) -> int:
    """Do this process's share of a training run that process 0 leads; return the updates made.

    Raises `UsageError` as a run does, `RunFailed` where process 0 was lost, and `Interrupted` for a signal once process
    0 has ended.
    """
    if processes.number == 0:
        raise UsageError("process 0 leads: it runs the scenario, and only the others take part")
    require_one_run(scenario)
    with stop_requests() as stop, together(scenario, processes) as group:
        if group is None:
            raise TypeError("nothing to take part in")
        updates = follow(*_share(prepare(scenario), group), group)
    if stop.signum is not None:
        raise Interrupted(words_of(stop.signum), None, stop.signum)
    return updates


def _snapshot(arrays: list[NDArray[Any]], like: Snapshot) -> Snapshot:
    """Return a snapshot of arrays in the order of another one's, and the number of updates."""
    *every, updates = arrays
    parameters, memory = _nested(iter(every), (like.parameters, like.memory))
    return Snapshot(parameters, memory, int(updates))


def _nested(arrays: Iterator[NDArray[Any]], like: Any) -> Any:
    """Return arrays nested as others are, in the order of `by_path`."""
    if isinstance(like, dict):
        return {key: _nested(arrays, item) for key, item in like.items()}
    return tuple(_nested(arrays, item) for item in like) if isinstance(like, tuple) else next(arrays)
