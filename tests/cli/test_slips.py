"""What users meant: options that are keys of the scenario, precisions and keys in others' words."""

from dataclasses import replace
from pathlib import Path

import pytest
from pcsim_numba import NumbaBackend

import pcsim
from pcsim.cli.call import call
from pcsim.engine.backend import Capabilities
from pcsim.errors import UsageError
from tests.support.scenario_files import TEXT, Files

SHORT = TEXT.replace("steps = 20", "steps = 2")


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert call(list(arguments)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix("error: ")


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["--lr", "0.1"], "no option --lr; keys of the scenario are set by --set learning.lr=0.1 "),
        (["--epochs=3"], "--set learning.epochs=3 "),
        (["--step-size", "-0.1"], "--set inference.step_size=-0.1 "),
        (["--batch-size", "8"], "--set data.batch=8 or --set learning.batch=8 "),
        (["--learning-rate"], "--set inference.step_size=VALUE or --set learning.lr=VALUE "),
        (["--outptu", "x.h5"], "no option --outptu; did you mean '--output'?"),
        (["--out", "x.h5"], "no option --out; did you mean '--output'?"),
        (["--nothing-like-it"], "no option --nothing-like-it (see"),
        (
            ["--set", "learning.lr", "0.1"],
            "key and value are one word; write --set learning.lr=0.1",
        ),
        (["--set", "network.hidden.depth=3"], "unknown key 'depth' in [network.hidden]; did you mean 'layers'?"),
        (["--precision", "fp16"], "did you mean 'float16'?"),
        (["--precision", "double"], "did you mean 'float64'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_was_meant(arguments: list[str], meant: str, files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.write(SHORT)
    assert meant in error_of(capsys, "run", "s.toml", *arguments)


@pytest.mark.parametrize(("word", "meant"), [("fp32", "float32"), ("half", "float16"), ("bf16", "bfloat16")])
def test_precisions_of_comparisons_in_others_words(word: str, meant: str, files: Files) -> None:
    scenario = files.read(SHORT)
    with pytest.raises(UsageError, match=f"did you mean '{meant}'"):
        pcsim.compare(scenario, precision=[word, "float64"])


def test_an_unknown_backend_is_told_what_can_be_used(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    able = NumbaBackend().capabilities()
    broken = replace(able, problem="no compiler", fix="install one")

    def capabilities(self: NumbaBackend) -> Capabilities:
        return broken

    monkeypatch.setattr(NumbaBackend, "capabilities", capabilities)
    scenario = files.read(SHORT)
    with pytest.raises(UsageError) as caught:
        pcsim.run(scenario, backend="torch")
    usable = str(caught.value).partition("usable here: ")[2].partition(" (")[0].split(", ")
    assert "numpy" in usable
    assert "numba" not in usable


def test_options_are_named_as_they_are_given(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = files.read(SHORT)
    pcsim.run(scenario, path="s.h5").close()
    assert error_of(capsys, "run", "s.toml") == "s.h5 exists; choose another name with -o or add --force"
    with pytest.raises(UsageError) as caught:
        pcsim.run(scenario, path="s.h5")
    assert str(caught.value) == "s.h5 exists; choose another name with path= or add force=True"
    Path("c").write_text("")
    with pytest.raises(UsageError, match="choose another with folder="):
        pcsim.compare(scenario, folder="c")


def test_a_closed_trace_says_so(files: Files) -> None:
    trace = pcsim.run(files.read(SHORT), path="s.h5")
    trace.close()
    for ask in (lambda: trace.energy, lambda: trace.provenance, lambda: trace.network, trace.refresh):
        with pytest.raises(UsageError, match=r"s\.h5 is closed; open it again: pcsim\.open_trace\("):
            ask()
    memory = pcsim.run(files.read(SHORT))
    memory.close()
    with pytest.raises(UsageError, match="is closed; it was in memory only: run again"):
        _ = memory.final_states
