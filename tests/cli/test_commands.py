"""Commands as a user types them: what they print, and which exit code they end with."""

import json
from pathlib import Path
from typing import Any

import h5py
import pytest

from pcsim.cli import COMMANDS
from pcsim.cli.call import call
from pcsim.engine.registry import load_backend
from pcsim.trace import open_trace
from tests.support.scenario_files import TEXT, Files, changed

SMALL = ("--set", "network.widths=[64,8,10]", "--set", "inference.steps=4")


@pytest.fixture
def trace(files: Files, capsys: pytest.CaptureFixture[str]) -> Path:
    files.write(TEXT)
    assert call(["run", "s.toml", *SMALL, "--quiet"]) == 0
    capsys.readouterr()
    return files.folder / "s.h5"


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """Run a command that fails; return its one line without the word error."""
    assert call(list(arguments)) == code
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


def test_a_run_writes_its_trace_and_says_what_happened(files: Files, capsys: pytest.CaptureFixture[str]):
    files.write(changed("A small one", "[red] $1 :smile: [/nope]"))
    assert call(["run", "s.toml", *SMALL]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "[red] $1 :smile: [/nope]"
    assert lines[1].startswith("state inference, standard form, float32 on numpy, batch 16, 4 steps in ")
    assert [line.split()[:3] for line in lines[3:5]] == [["layer", "0", "8"], ["output", "10", "0"]]
    assert lines[-1] == f"trace: {files.folder / 's.h5'}"
    with open_trace("s.h5") as opened:
        assert (opened.status, opened.rows) == ("complete", 5)


def test_a_layer_without_a_signal_is_named_in_one_unbroken_line(files: Files, capsys: pytest.CaptureFixture[str]):
    assert call(["run", "signal-decay", "--set", "inference.steps=3"]) == 0
    sentence = (
        "No signal reached layers 0 to 15 in 3 steps: their errors are exactly zero in float32, "
        "so their weights would not change."
    )
    assert sentence in capsys.readouterr().out.splitlines()


def test_quiet_prints_nothing_and_force_replaces(trace: Path, capsys: pytest.CaptureFixture[str]):
    assert error_of(capsys, "run", "s.toml") == "s.h5 exists; choose another name with -o or add --force"
    assert call(["run", "s.toml", *SMALL, "--force", "--quiet", "--set", "inference.method=error"]) == 0
    assert capsys.readouterr() == ("", "")
    with open_trace(trace) as opened:
        assert opened.attributes["method"] == "error"


def test_force_does_not_replace_what_is_no_trace(files: Files, capsys: pytest.CaptureFixture[str]):
    files.write(TEXT)
    assert "s.toml is not a trace" in error_of(capsys, "run", "s.toml", "-o", "s.toml", "--force")
    assert Path("s.toml").read_text() == TEXT


def test_notes_on_dropped_keys_go_to_the_error_stream(files: Files, capsys: pytest.CaptureFixture[str]):
    files.write(TEXT)
    assert call(["check", "s.toml", "--set", "inference.method=backprop"]) == 0
    assert capsys.readouterr().err.splitlines()[0].startswith("note: dropped inference.")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["rnu"], "there is no command 'rnu'; did you mean 'run'? (see pcsim --help)"),
        (["run"], "Missing argument 'SCENARIO'. (see pcsim run --help)"),
        (["run", "s.toml", "--seed", "-1"], "'-1' is not allowed; give a whole number, 0 or more"),
        (["run", "signal-deacy"], "there is no such file; did you mean 'signal-decay', which ships with pcsim?"),
        (["run", "s.toml", "--backend", "nunpy"], "--backend nunpy: backend 'nunpy' is not installed"),
        (["run", "s.toml", "--precision", "float65"], '--precision float65: "float65" is not allowed; did you mean'),
        (["run", "s.toml", "--set", "inference.stepsize=1"], "unknown key 'stepsize' in [inference]; did you mean"),
        (
            ["run", "s.toml", "--set", "inference.step_size=-1"],
            '-1 is not allowed; give "auto" or a number greater than 0',
        ),
        (["run", "s.toml", "--set", "network.widths=[65,10]"], "first width is 65, but a sample of the data 'digits'"),
        (["run", "s.toml", "--set", "network.widths=[64,9]"], "labels run 0..9 but the network has 9 output units"),
        (["run", "s.toml", "--set", "data.batch=9999"], "--set data.batch=9999: a batch of 9999 asked for"),
        (["run", "s.toml", "--set", "inference.steps=9000000000000"], "9,000,000,000,001 rows, at most 100,000,000"),
        (["run", "s.toml", "--set", "network.widths=[64,9000000000000,10]"], "parameters take"),
        (["run", "s.toml", "--set", "network.weights=w.npz"], "w.npz: no such file; needed is a trace, or an .npz or"),
        (["run", "s.toml", "-o", "none/s.h5"], "does not exist; make it or choose another place with -o"),
        (["run", "s.toml", "-o", "."], ". is a directory; name a file in it"),
        (["replay", "s.toml"], "s.toml is not an HDF5 file"),
        (["repair", "s.toml"], "s.toml is not an HDF5 file"),
        (["plot", "s.toml"], "s.toml is not an HDF5 file"),
        (["plot", "s.toml", "-o", "s.gif"], "s.gif: a figure ends in .png, .pdf, .svg"),
        (["replay", "none.h5"], "no trace at none.h5"),
        (["replay", "s.h5", "--precision", "float64"], "--backend, --precision and --allow belong to --verify"),
    ],
)
def test_a_mistake_is_one_line_and_starts_nothing(
    files: Files, capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
):
    files.write(TEXT)
    assert line in error_of(capsys, *arguments)
    assert [path.name for path in files.folder.iterdir()] == ["s.toml"]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "0.1",
            "-0.1",
            's.toml:17:13: inference.step_size: -0.1 is not allowed; give "auto" or a number greater than 0',
        ),
        ("[data]", '[backend]\nname = "jxa"\n[data]', "s.toml:9:1: backend.name: backend 'jxa' is not installed"),
        ("[data]", '[backend]\nprecision = "exact"\n[data]', "s.toml:9:1: backend.precision: backend 'numpy' has no"),
        ("[64, 32", "[63, 32", "s.toml:5:1: network.widths: the first width is 63"),
    ],
)
def test_a_mistake_in_a_file_is_located(
    files: Files, capsys: pytest.CaptureFixture[str], old: str, new: str, line: str
):
    files.write(changed(old, new))
    assert error_of(capsys, "check", "s.toml").startswith(line)


def test_debug_lets_the_error_through(files: Files):
    with pytest.raises(Exception, match="there is no such file"):
        call(["run", "none.toml"], debug=True)


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]):
    assert call([]) == 2
    bare = capsys.readouterr().out
    assert call(["--help"]) == 0
    assert bare == capsys.readouterr().out
    assert all(f"\n  {name} " in bare for name in COMMANDS)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("schema", "scenarios", "backends")])
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]):
    assert call([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: pcsim {name} ")


def test_lists_and_schema(capsys: pytest.CaptureFixture[str]):
    assert call(["scenarios"]) == 0
    assert any(line.startswith("signal-decay ") for line in capsys.readouterr().out.splitlines())
    assert call(["backends"]) == 0
    assert "numpy: usable\n  device      cpu" in capsys.readouterr().out
    assert call(["schema"]) == 0
    assert "network" in json.loads(capsys.readouterr().out)["properties"]


def test_backends_say_what_they_refuse_and_fit_narrow_terminals(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setattr("pcsim_numba.backend.find_spec", {"numba": None}.get)
    assert call(["backends"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 50
    assert "numba: not usable\n  why not     not installed: numba\n  fix         install it with: pip install\n" in out
    assert "exact: usable" in out
    assert "  learning    none: it does not train\n" in out
    for name in ("exact", "jax", "numpy"):
        for limit in load_backend(name).capabilities().limits:
            assert limit in " ".join(out.split())


def test_show_prints_a_scenario_that_reads_the_same(files: Files, capsys: pytest.CaptureFixture[str]):
    files.write(TEXT)
    assert call(["show", "s.toml", *SMALL, "--seed", "7"]) == 0
    shown = capsys.readouterr().out
    files.write(shown, "again.toml")
    assert call(["show", "again.toml"]) == 0
    assert capsys.readouterr().out == shown
    assert "seed = 7\n" in shown
    assert "steps = 4\n" in shown


def test_check_counts(files: Files, capsys: pytest.CaptureFixture[str]):
    files.write(TEXT)
    assert call(["check", "s.toml", "--set", "network.widths=[64,10]", "--set", "data.batch=1"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("s.toml: fine\n  network    1 layer, 650 parameters\n  data       1 sample of ")
    assert "inference  state, 20 steps, 21 rows recorded" in printed


def test_replay_prints_every_digit_where_there_is_no_terminal(
    trace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "20")
    assert call(["replay", "s.h5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("  ")[0] == "layer"
    assert lines[1].startswith("layer 0        0  ")
    assert not any("…" in line for line in lines)


def test_replay_verify(trace: Path, capsys: pytest.CaptureFixture[str]):
    assert call(["replay", "s.h5", "--verify"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "s.h5: verified, 5 rows of energy, grad_norm, final states, final errors, arrival steps (the same bits)"
    )
    with h5py.File(trace, "r+") as file:
        energy: Any = file["energy"]
        energy[3, 0] *= 1 + 1e-15
    assert error_of(capsys, "replay", "s.h5", "--verify", code=3) == (
        "s.h5: 1 of 2 layers differ from a new simulation; expected the same bits"
    )
    assert call(["replay", "s.h5", "--verify", "--precision", "float64"]) == 0
    assert capsys.readouterr().out.endswith("s.h5: verified, 5 rows of energy, final states (at most 1e-04)\n")


def test_plot_and_repair(trace: Path, capsys: pytest.CaptureFixture[str]):
    assert call(["plot", "s.h5", "-o", "s.svg"]) == 0
    assert capsys.readouterr().out == "figure: s.svg\n"
    assert "<svg" in Path("s.svg").read_text()
    assert call(["repair", "s.h5"]) == 0
    assert capsys.readouterr().out == "s.h5: nothing to repair; 5 rows, status complete\n"


def test_a_newer_trace_is_refused_by_all(trace: Path, capsys: pytest.CaptureFixture[str]):
    with h5py.File(trace, "r+") as file:
        file.attrs["format_version"] = 2
    for command in (["replay", "s.h5"], ["replay", "s.h5", "--verify"], ["plot", "s.h5"], ["repair", "s.h5"]):
        assert "s.h5 is written in trace format 2" in error_of(capsys, *command)


def test_a_diverging_run_names_the_step_and_keeps_its_trace(files: Files, capsys: pytest.CaptureFixture[str]):
    files.write(TEXT)
    line = error_of(capsys, "run", "s.toml", "--set", "inference.step_size=1e30", "--quiet", code=1)
    assert line.startswith("the run diverged: the energy of ")
    assert line.endswith("; use a smaller inference.step_size or a wider precision; the trace up to there is in s.h5")
    with open_trace("s.h5") as opened:
        assert opened.status == "failed"
        assert f"at step {opened.steps[-1]};" in line
