"""Another program, timed on our networks in an environment of its own and in the same minutes."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pcsim_numpy import NumpyBackend

from benchmarks.workload import STEP_SIZE
from pcsim.engine.backend import Task
from pcsim.trace.layout import Block

PACKAGES = {"fabricpc": ("fabricpc==0.6.0",), "torch": ("torch==2.13.0", "numpy")}
"""What pip installs of every peer, the one that tells its version first."""
PEERS = ("fabricpc",)
"""Those that know the dense networks."""


class Peer:
    """A worker process of the peer's, which knows our networks as arrays in a file; `deviation` by workload."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self._folder = name, folder
        self.versions, self.deviation = "", dict[str, float]()
        worker = Path(__file__).with_name("peers") / f"{name}_worker.py"
        self._process = subprocess.Popen(
            [_python(name), worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_bare()
        )

    def prepare(self, name: str, task: Task) -> Callable[[], float]:
        """Compile a workload there, compare its energies with ours, and return what to call for its seconds."""
        arrays: dict[str, Any] = {
            f"{key}{i}": value for i, layer in enumerate(task.parameters) for key, value in layer.items()
        }
        file = self._folder / f"{len(self.deviation)}.npz"
        np.savez(file, x=task.x, y=task.y, **arrays)
        settings = {"method": task.inference.name, "steps": task.descent.steps, "step_size": STEP_SIZE}
        reply = self.ask(prepare=name, file=str(file), **settings)
        self.versions = reply["versions"]
        self.deviation[name] = _deviation(np.array(reply["energy"]), task)
        return lambda: float(self.ask(time=name)["seconds"])

    def close(self) -> None:
        """Let the process end."""
        self._process.communicate()

    def ask(self, **request: Any) -> dict[str, Any]:
        """Return the answer to a request."""
        to, back = self._process.stdin, self._process.stdout
        if to is None or back is None:
            raise TypeError("the worker has no pipes")
        print(json.dumps(request), file=to, flush=True)
        answer = back.readline()
        if not answer:
            raise SystemExit(
                f"{Path(sys.argv[0]).name}: {self.name} failed; what it said is above. Leave out --peer to go on"
            )
        return json.loads(answer)


def _deviation(theirs: np.ndarray[Any, Any], task: Task) -> float:
    """Return the largest |a − b| / (|b| + 10⁻³ max |b|) of their energies a and numpy's b, step by step.

    They record before a step, and so not after the last.
    """
    blocks: list[Block] = []
    NumpyBackend().settle(task, blocks.append, lambda clock: False)
    ours = np.concatenate([np.asarray(block.energy) for block in blocks])[: len(theirs)]
    return float((np.abs(theirs - ours) / (np.abs(ours) + 1e-3 * np.abs(ours).max())).max())


def _python(name: str) -> Path:
    """Return the interpreter of the peer's environment, made now if there is none."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    major, minor = sys.version_info[:2]
    folder = cache / "pcsim" / "peers" / f"{PACKAGES[name][0].replace('==', '-')}-python{major}.{minor}"
    program = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    finished = folder / "finished"
    if finished.exists():
        return program
    packages = " ".join(PACKAGES[name])
    print(f"installing {packages} into {folder}", file=sys.stderr)
    venv.create(folder, clear=True, with_pip=True)
    command = [program, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES[name]]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=_bare())
    if result.returncode:
        said = [line for line in result.stderr.splitlines() if line.startswith("ERROR")] or ["no reason given"]
        raise SystemExit(
            f"{Path(sys.argv[0]).name}: pip cannot install {packages} into {folder}: {said[-1]}; it needs a package "
            "index, see the settings of pip. Leave out --peer to go on without"
        )
    finished.touch()
    return program


def _bare() -> dict[str, str]:
    """Return the environment without our packages."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
