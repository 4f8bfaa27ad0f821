"""How far a run is, as it is shown while it goes on."""

import numpy as np
import pytest
from rich.console import Console

import pcsim
from pcsim.report.progress import shown_progress
from tests.support.scenario_files import TEXT, Files
from tests.support.training_files import TRAINING, UPDATES

FLOW = TEXT.replace("steps = 20\nstep_size = 0.1\n", 'solver = "dopri5"\nt_end = 20.0\n')
SWEEP = TEXT + "\n[sweep]\nseed = [0, 1]\n"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PATIENCE", "BETWEEN_LINES"):
        monkeypatch.setattr(f"pcsim.report.progress.{name}", -1.0)


def terminal() -> Console:
    return Console(force_terminal=True, width=120, record=True)


@pytest.mark.parametrize(
    ("text", "shown"),
    [(FLOW, "time 3 of 20"), (TEXT, "3/20 steps"), (TRAINING, "3/20 updates"), (SWEEP, "3/20 runs")],
)
def test_a_bar_counts_in_the_unit_of_the_run_from_its_first_moment(files: Files, text: str, shown: str) -> None:
    console = terminal()
    with shown_progress(files.read(text), console) as bar:
        bar.progress(3, 20.0)
    lines = [line for line in console.export_text().splitlines() if line.strip()]
    assert lines
    assert all(shown in line for line in lines)


def test_seeds_side_by_side_are_counted_as_runs(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    console = terminal()
    with shown_progress(files.read(TRAINING), console) as bar:
        bar.runs(1, 3)
    (line,) = (line for line in console.export_text().splitlines() if line.strip())
    assert line.startswith("seeds")
    assert "1/3 runs" in line
    assert "epoch" not in line
    with shown_progress(files.read(TRAINING), Console()) as lines:
        lines.runs(1, 3)
    assert capsys.readouterr().err == "run 1 of 3\n"


def test_a_bar_shows_loss_and_accuracy(files: Files) -> None:
    console = terminal()
    with shown_progress(files.read(TRAINING), console) as bar:
        bar.rows({"update": np.array([1, 2]), "loss": np.array([2.5, 0.1234])})
        bar.epoch({"epoch": 1, "test_loss": 0.25, "test_accuracy": 0.954, "cosine": np.ones(3)})
        bar.progress(UPDATES, 4.0 * UPDATES)
    assert "epoch 2/4, loss 0.123, test accuracy 95.4 % (loss 0.25)" in console.export_text()


def test_off_a_terminal_there_is_a_line_an_epoch(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    pcsim.run(files.read(TRAINING, "learning.epochs=2"), progress=True).close()
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["epoch 1 of 2", "epoch 2 of 2"]
    assert "test accuracy" in lines[0]
    assert "training accuracy" in lines[0]


def test_lines_say_how_long_it_takes_yet(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    with shown_progress(files.read(TEXT), Console()) as lines:
        for step in range(0, 21):
            lines.progress(step, 20.0)
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(";")[0] for line in said] == [f"step {step} of 20" for step in range(2, 20, 2)]
    assert all(line.endswith(" left") for line in said)


class Cell:
    """What stands in for the handle of an output of a notebook."""

    def __init__(self, shown: list[dict[str, str]]) -> None:
        self._shown, self.updates = shown, 0

    def display(self, shown: dict[str, str], *, raw: bool) -> None:
        assert raw
        self._shown.append(shown)

    def update(self, shown: dict[str, str], *, raw: bool) -> None:
        assert raw
        self._shown[-1:] = [shown]
        self.updates += 1


def test_a_notebook_has_one_output_which_is_empty_in_the_end(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    display = pytest.importorskip("IPython.display")
    outputs = list[dict[str, str]]()
    monkeypatch.setattr(display, "DisplayHandle", lambda: Cell(outputs))
    monkeypatch.setattr("pcsim.report.progress._CellBar.refresh", 0.0)
    with shown_progress(files.read(TRAINING), Console(force_jupyter=True)) as bar:
        bar.progress(UPDATES, 4.0 * UPDATES)
        bar.rows({"update": np.array([1]), "loss": np.array([0.5])})
        bar.best("<b>the best</b>")
        bar.progress(2.0 * UPDATES, 4.0 * UPDATES)
        (shown,) = outputs
        assert shown["text/plain"].startswith("training 44/88 updates; epoch 1/4, loss 0.5, <b>the best</b>; ")
        assert shown["text/plain"].endswith(" left")
        assert '<progress value="44" max="88"' in shown["text/html"]
        assert "&lt;b&gt;the best" in shown["text/html"]
    assert outputs == [{"text/html": "", "text/plain": ""}]


def test_a_short_run_shows_nothing_in_a_notebook(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    display = pytest.importorskip("IPython.display")
    outputs = list[dict[str, str]]()
    monkeypatch.setattr(display, "DisplayHandle", lambda: Cell(outputs))
    monkeypatch.setattr("pcsim.report.progress.PATIENCE", 60.0)
    with shown_progress(files.read(TRAINING), Console(force_jupyter=True)) as bar:
        bar.progress(1, 2.0)
    assert not outputs
