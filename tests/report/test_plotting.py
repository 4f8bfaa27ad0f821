"""Figures are the project's own, whatever Matplotlib's settings are and whatever a title says; drawing says nothing."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import pytest

import pcsim
from pcsim.cli.call import call
from tests.support.places import ROOT
from tests.support.scenario_files import TEXT, Files

SHORT = TEXT.replace("steps = 20", "steps = 2")
FOREIGN: dict[Any, Any] = {
    "text.usetex": True,
    "font.family": ["No such font"],
    "savefig.facecolor": "red",
    "savefig.bbox": "tight",
    "figure.dpi": 30,
    "axes.grid": True,
    "mathtext.fontset": "custom",
}
TITLES = ("深い預言の網", "$x$ and $\\frac", "a\\u001b[31m\\u0000b", "long " * 400, "w" * 3000, "\\U0001F600 \\u05E9")


@pytest.fixture
def trace(files: Files) -> pcsim.Trace:
    return pcsim.run(pcsim.read_scenario(files.write(SHORT)), path="t.h5")


def test_settings_of_the_user_change_nothing_and_stay(trace: pcsim.Trace) -> None:
    pcsim.plot([trace], "a.png")
    expected = Path("a.png").read_bytes()
    with matplotlib.rc_context(FOREIGN):
        before = dict(matplotlib.rcParams)
        pcsim.plot("t.h5", "b.png")
        assert Path("b.png").read_bytes() == expected
        assert dict(matplotlib.rcParams) == before


def test_a_canvas_that_is_not_there_and_a_settings_file_of_the_user(trace: pcsim.Trace, tmp_path: Path) -> None:
    trace.close()
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nnonsense\nfont.family: No such font\n")
    environment = os.environ | {"MPLBACKEND": "module://nowhere", "PYTHONPATH": f"{ROOT}:{ROOT / 'backends'}"}
    command = [sys.executable, "-m", "pcsim", "plot", "t.h5"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "figure: t.png\n", "")


def test_the_canvas_that_the_user_chose_stays_chosen() -> None:
    program = """
import os
os.environ["MPLBACKEND"] = "svg"
from pcsim.figures.own_settings import own_settings
with own_settings():
    pass
import matplotlib
assert matplotlib.get_backend() == "svg"
assert os.environ["MPLBACKEND"] == "svg"
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


@pytest.mark.exhaustive
def test_any_title_is_drawn_in_silence(files: Files, capfd: pytest.CaptureFixture[str]) -> None:
    texts = [SHORT.replace("A small one", title) for title in TITLES]
    traces = [pcsim.run(pcsim.read_scenario(files.write(text))) for text in texts]
    capfd.readouterr()
    pcsim.plot(traces, "t.svg")
    assert "\x1b" not in Path("t.svg").read_text(encoding="utf-8")
    assert capfd.readouterr().err == ""


def test_figures_that_cannot_be_written_are_refused_before_runs(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    files.write(SHORT)
    Path("out/compare.png").mkdir(parents=True)
    assert call(["compare", "s.toml", "-o", "out"]) == 2
    assert "compare.png is a folder" in capsys.readouterr().err
    assert not list(Path("out").glob("*.h5"))
