"""Training shared by several devices: the numbers of one, and one sum over them an update."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import PIPE

import numpy as np
import pytest

import pcsim
from pcsim.errors import UsageError
from tests.engine.test_processes import free_address
from tests.support.places import ROOT
from tests.support.scenario_files import Files

DEVICES = 4
SCENARIO = """
[network]
input = [8, 8, 1]
activation = "tanh"
layers = [{ dense = 12 }, { dense = 10, activation = "linear" }]

[data]
name = "digits"
samples = 322
batch = 2

[inference]
method = "error"
loss = "cross-entropy"
steps = 4

[learning]
optimizer = "adam"
lr = 0.01
epochs = 2
batch = 32
clip = 0.05
augment = { flip = true, crop = 1 }

[backend]
name = "jax"
precision = "float64"
"""


def train(folder: Path, words: str = "") -> Path:
    """Train on four devices and on one, where there are four, and return the trace of the four."""
    (folder / "s.toml").write_text(SCENARIO)
    runs = ["four.h5", f"backend.devices={DEVICES} {words}", "one.h5", f"backend.devices=1 {words}"]
    environment = {
        **os.environ,
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={DEVICES}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-m", "tests.support.on_devices", "s.toml", *runs]
    subprocess.run(command, check=True, cwd=folder, env=environment)
    return folder / "four.h5"


def reductions(trace: Path) -> list[str]:
    """Return the sums over devices in all programs of updates, each by the loops that it stands in."""
    text = Path(f"{trace}.txt").read_text()
    return re.findall(r' all-reduce(?:-start)?\(.*op_name="([^"]*)"', text)


def assert_same_training(ours: Path, theirs: Path, devices: int = DEVICES) -> None:
    """Check that two traces of training agree to 1e-12 in all that was measured and learned."""
    with pcsim.open_trace(ours) as a, pcsim.open_trace(theirs) as b:
        assert a.attributes["devices"] == devices
        assert len(a.training["update"]) >= 20
        for i in range(2):
            for name in (f"final/network/W_{i}", f"final/network/b_{i}"):
                np.testing.assert_allclose(a.array(name), b.array(name), rtol=0, atol=1e-12)
                assert np.abs(a.array(name) - a.array(name.removeprefix("final/"))).max() > 0.01
        for name, values in a.training.items():
            if name != "wall_seconds":
                np.testing.assert_allclose(values, b.training[name], rtol=1e-12, atol=1e-12)


@pytest.mark.exhaustive
def test_four_devices_learn_what_one_does_with_one_sum_an_update(tmp_path: Path) -> None:
    four = train(tmp_path)
    assert_same_training(four, tmp_path / "one.h5")
    (only,) = reductions(four)
    assert only.count("while/body") == 1, "inside the loop over updates, not in that of inference"
    assert not reductions(tmp_path / "one.h5")
    with pcsim.open_trace(four) as trace:
        # It ran where there are more devices than here.
        assert pcsim.verify(trace).agrees


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "words",
    [
        "inference.method=state inference.noise=0.01 learning.precisions=natural learning.optimizer=optax.lion"
        " learning.drop_last=false",
        "learning.rule=incremental inference.method=state",
        "inference.method=equilibrium inference.steps=20 data.samples=320",
    ],
)
def test_whatever_four_devices_learn_is_what_one_learns(tmp_path: Path, words: str) -> None:
    four = train(tmp_path, words)
    assert_same_training(four, tmp_path / "one.h5")
    (only,) = reductions(four)
    assert only.count("while/body") == 1 + ("incremental" in words)


@contextmanager
def two_processes(folder: Path, *words: str) -> Generator[list[subprocess.Popen[str]]]:
    """Start two processes that train together, and yield them."""
    command = [sys.executable, "-m", "pcsim", "run", "s.toml", "--set", "backend.devices=2", "--set"]
    command += ["learning.epochs=4", "--coordinator", free_address(), "--processes", "2", *words, "--process"]
    with ExitStack() as stack:
        yield [
            stack.enter_context(subprocess.Popen([*command, number], cwd=folder, stdout=PIPE, stderr=PIPE, text=True))
            for number in ("0", "1")
        ]


@pytest.mark.exhaustive
def test_two_processes_learn_what_one_does_also_when_one_of_them_was_killed(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(SCENARIO)
    with two_processes(tmp_path) as (first, second):
        while not (tmp_path / "s.h5.checkpoint").exists():
            assert first.poll() is None
            time.sleep(0.01)
        second.kill()
        _, said = first.communicate(timeout=60)
    assert "error: process 1 was lost, with its devices; the trace up to there is in s.h5; go on by the same" in said
    assert first.returncode == 1
    with two_processes(tmp_path, "--resume", "s.h5") as (first, second):
        assert re.search(r"process 1 of 2: took part in \d+ updates", second.communicate(timeout=120)[0])
        first.communicate(timeout=120)
    assert (first.returncode, second.returncode) == (0, 0)
    pcsim.run(tmp_path / "s.toml", "learning.epochs=4", path=tmp_path / "one.h5").close()
    assert_same_training(tmp_path / "s.h5", tmp_path / "one.h5", devices=2)


def test_what_devices_cannot_share_is_refused_with_what_they_can(files: Files) -> None:
    Path("s.toml").write_text(SCENARIO)
    for words, line in {
        "backend.devices=0": "--set backend.devices=0: 0 is not allowed; give a whole number, 1 or more",
        "backend.devices=99": r"99 devices, but the backend 'jax' has 1 here, cpu \(.*\); use 1 or fewer",
        "backend.devices=2 backend.name=numpy": "the backend 'numpy' trains on one device; remove it, or .* jax",
    }.items():
        with pytest.raises(UsageError, match=line):
            pcsim.run("s.toml", words.split())
    assert not list(Path().glob("*.h5"))
