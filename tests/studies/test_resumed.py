"""Studies that are broken off and go on, and those whose runs go side by side: the numbers are the same to the bit."""

import pickle
import shutil
from collections.abc import Callable, Generator, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.errors import DeviceFailed, Interrupted, RunFailed, UsageError
from pcsim.jobs import Here, Outcome
from pcsim.scenario import Run, Scenario, parse_scenario
from pcsim.studies import results_of
from pcsim.studies.attempts import Attempts
from pcsim.studies.file import rows_of_trace
from pcsim.studies.place import Place
from pcsim.studies.row_journal import rows_path

TRAINING = """
[network]
widths = [64, 8, 10]
activation = "tanh"
[data]
name = "digits"
samples = 128
batch = 4
[inference]
method = "error"
loss = "squared-error"
steps = 2
step_size = 0.1
[learning]
batch = 64
epochs = 2
[sweep]
learning.lr = [1e-3, 1e30]
seed = [0, 1]
"""


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return parse_scenario(TRAINING)


@pytest.fixture(scope="module")
def undisturbed(scenario: Scenario) -> dict[str, Any]:
    with pcsim.run(scenario) as trace:
        return numbers_of(trace)


def numbers_of(trace: pcsim.Trace) -> dict[str, Any]:
    """Return everything that a study came to, as bytes, but for how long it took."""
    found: dict[str, Any] = {name: each.values.tobytes() for name, each in results_of(trace).items()}
    for i, row in enumerate(rows_of_trace(trace)):
        measured = {name: (array.dtype.kind, array.shape, array.tobytes()) for name, array in row.measured.items()}
        found[f"row {i}"] = (row.key, row.values, measured, row.outcome, row.failure)
    return found


def test_runs_side_by_side_are_those_one_after_another(
    scenario: Scenario, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    with pcsim.run(scenario, path=tmp_path / "s.h5", jobs=2) as trace:
        assert numbers_of(trace) == undisturbed
    assert [path.name for path in tmp_path.iterdir()] == ["s.h5"]


def test_a_study_that_is_broken_off_goes_on_without_repeating_what_is_finished(
    scenario: Scenario, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    def fail(over: float, of: float) -> None:
        if over == 3:
            raise SystemExit("enough")

    path = tmp_path / "s.h5"
    with pytest.raises(SystemExit):
        pcsim.run(scenario, path=path, progress=fail)
    with pcsim.open_trace(path) as trace:
        begun = rows_of_trace(trace)
    assert len(begun) == 3
    with pcsim.run(scenario, resume=path) as trace:
        assert numbers_of(trace) == undisturbed
        assert [row.seconds for row in rows_of_trace(trace)][:3] == [row.seconds for row in begun]


def killed(scenario: Scenario, folder: Path, tail: bytes) -> Path:
    """Leave what a kill leaves after the third run, in the middle of writing down the next."""
    (folder / "place").mkdir()
    path = folder / "place" / "s.h5"

    def copy(over: float, of: float) -> None:
        if over == 3:
            shutil.copy(rows_path(path), rows_path(folder / "s.h5"))

    pcsim.run(scenario, path=path, progress=copy).close()
    with rows_path(folder / "s.h5").open("ab") as file:
        file.write(tail)
    return folder / "s.h5"


@pytest.mark.parametrize("tail", [b"", b"\x90\x01", b"\x05" + 11 * b"\0" + b"short"])
def test_what_was_finished_before_a_kill_is_known(
    scenario: Scenario, undisturbed: dict[str, Any], tmp_path: Path, tail: bytes
) -> None:
    path = killed(scenario, tmp_path, tail)
    with pytest.raises(UsageError, match=r"s.h5.rows holds 3 finished runs of a study that was killed; go on with"):
        pcsim.run(scenario, path=path)
    with pcsim.run(scenario, resume=path) as trace:
        assert numbers_of(trace) == undisturbed
    assert sorted(each.name for each in tmp_path.iterdir()) == ["place", "s.h5"]


def test_a_sweep_that_has_grown_keeps_its_runs_and_another_one_is_refused(scenario: Scenario, tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    small = parse_scenario(TRAINING.replace("[0, 1]", "[0]"))
    pcsim.run(small, path=path).close()
    with pcsim.run(scenario, resume=path) as trace:
        assert len(rows_of_trace(trace)) == 4
    with pytest.raises(UsageError, match=r"s.h5 holds 2 runs that this scenario does not make; resume with"):
        pcsim.run(small, resume=path)
    with pcsim.open_trace(path) as trace:
        assert len(rows_of_trace(trace)) == 4


def test_what_cannot_be_resumed_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.toml").write_text(TRAINING)
    Path("one.toml").write_text(TRAINING[: TRAINING.index("[learning]")].replace("samples = 128\n", ""))
    assert call(["run", "one.toml"]) == 0
    assert call(["run", "s.toml", "--resume", "no.h5"]) == 2
    assert call(["run", "s.toml", "--resume", "one.h5"]) == 2
    assert call(["run", "one.toml", "--jobs", "2", "--force"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert "there is nothing to resume: " in errors[0]
    assert "one.h5 is of one run, not of a study; resume it with the scenario of that run" in errors[1]
    assert errors[2].startswith("error: --jobs is for several runs: a [sweep], a [study] of them, or learning.seeds")


@pytest.mark.parametrize("where", ["pcsim.studies.place.run_experiment", "pcsim.runs.experiment.train"])
def test_a_run_that_failed_for_want_of_memory_is_tried_again(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, _, name = where.rpartition(".")
    whole, path, begun = getattr(import_module(module), name), tmp_path / "s.h5", list[int]()
    scenario = parse_scenario(TRAINING.replace("[1e-3, 1e30]", "[1e-3, 2e-3]").replace("[0, 1]", "[0]"))

    def scarce(*given: Any, **named: Any) -> Any:
        begun.append(1)
        if len(begun) == 2:
            raise MemoryError("Unable to allocate 7 TiB")
        return whole(*given, **named)

    monkeypatch.setattr(where, scarce)
    with pcsim.run(scenario, path=path) as trace:
        assert [row.failure for row in rows_of_trace(trace)] == ["", "out of memory: Unable to allocate 7 TiB"]
    monkeypatch.undo()
    with pcsim.run(scenario, resume=path) as trace:
        assert [row.failure for row in rows_of_trace(trace)] == ["", ""]
        assert np.isfinite(results_of(trace)["test_loss"].values).all()


def test_whether_a_run_is_worth_another_try_travels_to_other_processes() -> None:
    errors = [
        RunFailed("full", again=True),
        DeviceFailed("lost"),
        RunFailed("diverged"),
        Interrupted("by whom", None, 15),
    ]
    told = [pickle.loads(pickle.dumps(error)) for error in errors]
    assert [error.again for error in told] == [True, True, False, False]
    assert [str(error) for error in told] == ["full", "lost", "diverged", "by whom"]


class _AllAtOnce:
    """Begins every call before the first is over."""

    def run(self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> Generator[Outcome]:
        yield from Here().run(function, list(calls))


def test_equal_runs_that_are_under_way_together_are_one() -> None:
    scenario, asked, told = parse_scenario(TRAINING[: TRAINING.index("[sweep]")]), list[str](), list[int]()

    def measure(run: Run, place: Place) -> dict[str, Any]:
        asked.append(run.label())
        return {"seed": run.scenario.seed}

    runs = [Run(scenario.model_copy(update={"seed": seed}), {"place": i}) for i, seed in enumerate((0, 1, 0, 0))]
    attempts = Attempts(runs, executor=_AllAtOnce(), told=lambda run, row, over, of: told.append(row.values["place"]))
    *_, (found, measured) = attempts.of(measure)
    assert len(asked) == 2
    assert sorted(told) == [0, 1, 2, 3]
    assert found == runs
    assert [int(row["seed"]) for row in measured] == [0, 1, 0, 0]
