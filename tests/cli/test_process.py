"""What only a process of its own can show: signals, pipes whose reader has gone, outputs that take nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pcsim.trace import open_trace
from tests.support.scenario_files import TEXT

PCSIM = (sys.executable, "-c", "from pcsim.cli import main; main()")


def start(folder: Path, *arguments: str, stdout: int = subprocess.PIPE) -> "subprocess.Popen[str]":
    (folder / "s.toml").write_text(TEXT)
    return subprocess.Popen([*PCSIM, *arguments], cwd=folder, stdout=stdout, stderr=subprocess.PIPE, text=True)


def rows_in(path: Path) -> int:
    if not path.exists():
        return 0
    with open_trace(path) as trace:
        return trace.rows


def test_an_interrupted_run_leaves_a_readable_trace(tmp_path: Path):
    process = start(tmp_path, "run", "s.toml", "--set", "inference.steps=50_000_000", "--set", "trace.every=100")
    while process.poll() is None and rows_in(tmp_path / "s.h5") < 2:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "layer 0" in printed
    with open_trace(tmp_path / "s.h5") as trace:
        assert trace.status == "interrupted"
        assert errors == (f"error: interrupted after step {trace.steps[-1]}; the trace up to there is in s.h5\n")
        assert len(trace.final_states) == 3


IMPORTING = """
import os, signal, sys

package = sys.argv[1]

class Impatient:
    @staticmethod
    def find_spec(name, *_):
        if name == package:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Impatient)
from pcsim.cli import main
sys.argv[1:] = ["run", "signal-decay"]
main()
"""


@pytest.mark.parametrize("package", ["pcsim.cli.call", "click", "numpy._core._multiarray_umath"])
def test_ctrl_c_in_the_middle_of_an_import(tmp_path: Path, package: str):
    command = [sys.executable, "-c", IMPORTING, package]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_whose_reader_has_gone_is_no_failure_of_the_run(tmp_path: Path):
    reader, pipe = os.pipe()
    os.close(reader)
    process = start(tmp_path, "run", "s.toml", stdout=pipe)
    os.close(pipe)
    assert process.communicate(timeout=60) == (None, "")
    assert process.returncode == 128 + signal.SIGPIPE
    with open_trace(tmp_path / "s.h5") as trace:
        assert trace.status == "complete"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full exists on Linux only")
def test_an_output_that_takes_nothing_is_named(tmp_path: Path):
    with Path("/dev/full").open("w") as full:
        process = start(tmp_path, "scenarios", stdout=full.fileno())
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (2, "error: cannot write to standard output: No space left on device\n")


def test_a_title_that_the_output_has_no_letters_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    process = start(tmp_path, "run", "s.toml", "--set", 'title="µPC"')
    printed, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert printed.startswith("\\xb5PC\n")
