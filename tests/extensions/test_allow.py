"""Code that files name: which commands import it, and what is said by those that do not."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pcsim.cli.call import call
from pcsim.extensions.registry import REGISTERED
from tests.support.own import block_of
from tests.support.scenario_files import TEXT, Files
from tests.support.training_files import only_line

OWN = TEXT.replace('"gelu"', '"silu"').replace("steps = 20", "steps = 2").replace("[64, 32, 32, 10]", "[64, 6, 10]")
MODULE = block_of("silu").partition("trace =")[0] + "\nfrom pathlib import Path\n\nPath('imported').touch()\n"


@pytest.fixture
def module(files: Files) -> Iterator[str]:
    """Write a module that registers an activation and leaves a mark, and forget it afterwards."""
    files.write(MODULE, "own_silu.py")
    yield "own_silu"
    sys.modules.pop("own_silu", None)


def forget() -> None:
    """Be as a new process is."""
    REGISTERED.clear()
    sys.modules.pop("own_silu", None)
    Path("imported").unlink(missing_ok=True)


NEEDS = "activation 'silu' (SiLU of own_silu) is not registered here; import that module first, or allow it"
RUNNING = (["replay", "s.h5", "--verify"], ["learn", "s.h5"], ["eval", "s.h5"], ["inspect", "s.h5"], ["eval", "w.npz"])


def test_a_trace_is_simulated_again_where_its_module_is_allowed(
    module: str, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    files.write(OWN)
    assert only_line(capsys, ["run", "s.toml"], 2).startswith('s.toml:6:14: network.activation: "silu" is not allowed')
    assert call(["run", "s.toml", "--allow", module]) == 0
    forget()
    assert only_line(capsys, RUNNING[0], 2).endswith(f"network.activation: {NEEDS}: --allow own_silu")
    line = only_line(capsys, ["plot", "s.h5", "--theory"], 2)
    assert "theory needs activation 'silu', which is not registered here, and plots import nothing" in line
    assert call(["replay", "s.h5"]) == 0
    assert not Path("imported").exists()
    assert call([*RUNNING[0], "--allow", module]) == 0
    assert Path("imported").exists()


def test_what_runs_nothing_needs_no_module(module: str, files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.write(OWN)
    assert call(["run", "s.toml", "--allow", module, "--quiet"]) == 0
    forget()
    assert call(["show", "s.h5"]) == 0
    assert 'activation = "silu"' in capsys.readouterr().out
    assert call(["check", "s.h5"]) == 0
    assert capsys.readouterr().out.startswith("s.h5: its words are fine, but not registered here: activation 'silu'; ")
    torch = ["export", "s.h5", "-o", "w.npz", "--layout", "torch"]
    assert NEEDS in only_line(capsys, torch, 2)
    assert not Path("imported").exists()
    assert call([*torch, "--allow", module]) == 0


@pytest.mark.exhaustive
def test_every_command_that_runs_asks_for_the_module(
    module: str, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    files.write(OWN)
    assert call(["run", "s.toml", "--allow", module]) == 0
    forget()
    assert call(["plot", "s.h5"]) == call(["export", "s.h5", "-o", "w.npz"]) == 0
    for arguments in RUNNING:
        assert NEEDS in only_line(capsys, arguments, 2)
    assert not Path("imported").exists()
    for arguments in RUNNING:
        forget()
        assert call([*arguments, "--allow", module]) == 0
        assert Path("imported").exists()


def test_a_module_that_cannot_be_imported_is_one_line(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.write(OWN)
    line = only_line(capsys, ["run", "s.toml", "--allow", "no_such"], 2)
    assert line.startswith("the module no_such cannot be imported (ModuleNotFoundError: No module named 'no_such')")
    files.write("1 / 0", "broken.py")
    line = only_line(capsys, ["run", "s.toml", "--allow", "broken"], 2)
    assert line.startswith("the module broken cannot be imported (ZeroDivisionError: division by zero)")


def test_an_error_of_ones_own_code_is_told_by_its_place(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.write(MODULE.replace("return p / (1.0", "raise KeyError('gone')  # (1.0"), "own_wrong.py")
    files.write(OWN)
    line = only_line(capsys, ["run", "s.toml", "--allow", "own_wrong"], 1)
    assert line == "KeyError: 'gone'; raised in own_wrong.py:6: run again with --debug to see where"
