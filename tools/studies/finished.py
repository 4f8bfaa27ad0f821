"""Training runs that are finished, a line each in a small file, so that none is done twice.

Called as a program it does one run and adds its line:
python -m tools.studies.finished FILE FOLDER NAME SEED [KEY=VALUE …]
"""

import argparse
import datetime
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np

import pcsim
from pcsim.errors import RunFailed
from pcsim.runs.checkpoint import checkpoint_path, remove_checkpoint
from pcsim.runs.provenance import describe_machine
from pcsim.runs.repetition import last_measures
from pcsim.scenario import Scenario, read_scenario
from pcsim.trace import Trace


@dataclass(frozen=True)
class Planned:
    """A shipped scenario with overrides, for one seed."""

    name: str
    seed: int
    overrides: tuple[str, ...] = ()

    def scenario(self) -> Scenario:
        """Return the scenario of this seed alone."""
        return _read(self.name, self.overrides).at_seed(self.seed)

    def digest(self) -> str:
        """Return what tells runs with other settings apart: defaults, and so words to come, do not change it."""
        return _digest(self)


@cache  # a page asks for the same ones again and again
def _read(name: str, overrides: tuple[str, ...]) -> Scenario:
    return read_scenario(name, overrides)


@cache
def _digest(planned: Planned) -> str:
    words = planned.scenario().model_dump(mode="json", exclude_defaults=True, exclude={"title"})
    return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Finished:
    """What came of a run: the test accuracy of the epoch it keeps, and where and when it was measured."""

    name: str
    overrides: list[str]
    seed: int
    digest: str
    accuracy: float | None
    """None where training diverged."""
    lowest_cosine: float | None
    """To backpropagation, of any layer in any epoch; None where nothing is compared."""
    seconds: float | None
    """Of processor time; None for a run that was broken off and went on."""
    backend: str
    machine: str
    versions: str
    date: str


def read_finished(path: Path) -> dict[str, Finished]:
    """Return finished runs by the digests of their scenarios."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = [Finished(**json.loads(line)) for line in lines]
    return {run.digest: run for run in found}


def run_apart(planned: Planned, path: Path, folder: Path, program: str = "tools.studies.finished") -> None:
    """Do a run in a process of its own, on one thread, which adds its line; raises `RunFailed` if it cannot.

    `program` is a module that takes the arguments of this one.
    """
    one_thread = {
        "OPENBLAS_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    }
    compiled = {"JAX_COMPILATION_CACHE_DIR": str(folder / "jax")}
    words = [str(path), str(folder), planned.name, str(planned.seed), *planned.overrides]
    command = [sys.executable, "-m", program, *words]
    if subprocess.run(command, env=os.environ | one_thread | compiled, check=False).returncode:
        raise RunFailed(f"{' '.join(words)}: has not come to its end")


def finish(planned: Planned, folder: Path) -> Finished:
    """Run to the end, from its last checkpoint in `folder` where it was broken off, and leave nothing there."""
    scenario, digest = planned.scenario(), planned.digest()
    target = folder / f"{planned.name}-{digest}.h5"
    resumed = target if checkpoint_path(target).exists() else None
    begun = time.process_time()
    try:
        trace = pcsim.run(scenario, path=None if resumed else target, force=True, resume=resumed)
    except RunFailed as error:
        if error.trace is None or error.exit_code != RunFailed.exit_code:  # broken off, not diverged
            raise
        trace = error.trace
    with trace:
        seconds = None if resumed else round(time.process_time() - begun, 1)
        found = _outcome(planned, digest, trace, seconds)
    target.unlink()
    remove_checkpoint(target)
    return found


def _outcome(planned: Planned, digest: str, trace: Trace, seconds: float | None) -> Finished:
    machine = describe_machine(("jax", "jaxlib", "numba"))
    cosine = trace.training.get("cosine")
    accuracy = last_measures(trace)["test_accuracy"] if trace.status == "complete" else float("nan")
    return Finished(
        planned.name,
        list(planned.overrides),
        planned.seed,
        digest,
        accuracy if np.isfinite(accuracy) else None,
        None if cosine is None or np.isnan(cosine).all() else float(np.nanmin(cosine)),
        seconds,
        str(trace.attributes["backend"]),
        f"{machine['processor']}, one thread",
        machine["versions"],
        datetime.date.today().isoformat(),
    )


def arguments(words: Sequence[str] | None = None) -> tuple[Path, Path, Planned]:
    """Return the file, the folder and the run that a command line names."""
    parser = argparse.ArgumentParser(description="Do one training run and add a line to a file.")
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path, help="where its trace and checkpoint are until it is finished")
    parser.add_argument("name")
    parser.add_argument("seed", type=int)
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_args(words)
    return given.file, given.folder, Planned(given.name, given.seed, tuple(given.overrides))


def main() -> int:
    path, folder, planned = arguments()
    run = finish(planned, folder)
    with path.open("a", encoding="utf-8") as file:  # in one write, for others add theirs
        file.write(json.dumps(asdict(run)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
