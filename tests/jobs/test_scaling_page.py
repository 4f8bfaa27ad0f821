"""What docs/scaling.md tells to type, typed; scripts for Slurm, with a stand-in for its commands."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.scenario import parse_scenario
from tests.studies.test_resumed import TRAINING, numbers_of
from tests.support.dask_nodes import PATIENCE

pytestmark = pytest.mark.exhaustive
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scaling.md").read_text()
COMMANDS = [line.partition("#")[0].strip() for line in PAGE.split("```sh\n")[1].split("```")[0].splitlines()]
PCSIM = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m pcsim "$@"\n'
SBATCH = """#!/bin/sh
kept=$(mktemp job-XXXXXX) && cp "$1" "$kept"  # as Slurm does: who submits may delete the script at once
setsid sh "$kept" > "$kept.log" 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = '#!/bin/sh\nfor job in "$@"; do kill -- -"$job"; done\n'
LONGER = TRAINING.replace("epochs = 2", "epochs = 40").replace("[0, 1]", "[0, 1, 2, 3]")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the sweep that the page speaks of, whose `bin` has programs of the names in scripts."""
    monkeypatch.chdir(tmp_path)
    Path("sweep.toml").write_text(TRAINING)
    Path("bin").mkdir()
    for name, text in (("pcsim", PCSIM), ("sbatch", SBATCH), ("scancel", SCANCEL)):
        program = Path("bin", name)
        program.write_text(text)
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def whole(text: str = TRAINING) -> dict[str, Any]:
    with pcsim.run(parse_scenario(text)) as trace:
        return numbers_of(trace)


def in_file(path: Path | str) -> dict[str, Any]:
    with pcsim.open_trace(path) as trace:
        return numbers_of(trace)


def test_there_are_five_commands() -> None:
    assert len(COMMANDS) == 5
    assert all(command.startswith("pcsim run sweep.toml") for command in COMMANDS)


@pytest.mark.filterwarnings("ignore")  # Dask's own
@pytest.mark.parametrize("command", COMMANDS)
def test_every_one_of_the_five_commands_comes_to_the_same_bits(command: str, folder: Path) -> None:
    if "--resume" in command:
        assert call(["run", "sweep.toml", "--part", "1/2", "--quiet"]) == 0
        Path("sweep-part1of2.h5").rename("sweep.h5")
    if "--cluster" in command:
        distributed = pytest.importorskip("distributed")
        with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            there = command.replace("tcp://host:8786", cluster.scheduler_address)
            assert call([*shlex.split(there)[1:], "--quiet"]) == 0
    elif "--part" in command:
        for number in range(1, 5):
            part = shlex.split(command.replace("1/4", f"{number}/4"))
            assert call([*part[1:], "--quiet"]) == 0
        assert call(["merge", *(path.name for path in folder.glob("sweep-part*of4.h5"))]) == 0
    else:
        assert call([*shlex.split(command)[1:], "--quiet"]) == 0
    assert in_file("sweep.h5") == whole()


def array(number: int, of_all: int, *words: str, before: Mapping[str, str] | None = None) -> "subprocess.Popen[bytes]":
    """Start the script of the docs as task `number` of an array."""
    numbers = {"SLURM_ARRAY_TASK_ID": str(number), "SLURM_ARRAY_TASK_COUNT": str(of_all), "SLURM_CPUS_PER_TASK": "1"}
    return subprocess.Popen(
        ["bash", str(ROOT / "docs/slurm/array.sh"), "sweep.toml", "--quiet", *words],
        env={**os.environ, **numbers, **(before or {})},
    )


def test_an_array_of_slurm_goes_on_by_the_same_command_after_its_time_is_up(folder: Path) -> None:
    Path("sweep.toml").write_text(LONGER)
    first, second = array(1, 2), array(2, 2)
    rows, deadline = Path("sweep-part1of2.h5.rows"), time.monotonic() + PATIENCE
    while not rows.exists() and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    first.send_signal(signal.SIGTERM)
    assert first.wait(PATIENCE) in (0, 143)
    assert second.wait(PATIENCE) == 0
    for number in (1, 2):  # all of it once more: what is finished stays
        assert array(number, 2).wait(PATIENCE) == 0
    assert call(["merge", "sweep-part1of2.h5", "sweep-part2of2.h5"]) == 0
    assert in_file("sweep.h5") == whole(LONGER)


# The package is not imported here: it takes over Ctrl-C, for all tests that follow.
@pytest.mark.skipif(find_spec("dask_jobqueue") is None, reason="needs dask-jobqueue: pip install 'pcsim[cluster]'")
def test_workers_that_a_queue_starts(folder: Path) -> None:
    shutil.copy(ROOT / "docs/slurm/cluster.py", "cluster.py")
    log = json.dumps(str(folder))
    environment = {**os.environ, "DASK_JOBQUEUE__SLURM__LOCAL_DIRECTORY": log, "DASK_JOBQUEUE__SLURM__INTERFACE": "lo"}
    subprocess.run(
        [sys.executable, "cluster.py", "sweep.toml", "--workers", "2"], check=True, env=environment, timeout=PATIENCE
    )
    assert in_file("sweep.h5") == whole()
