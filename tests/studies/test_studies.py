"""Sweeps and studies: several runs of a scenario in one trace."""

import re
import signal
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.errors import RunFailed, ScenarioError, UsageError
from pcsim.scenario import parse_scenario, read_scenario, runs_of
from pcsim.scenario.study import Kind
from pcsim.studies import energies, failures_of, load_kind, results_of
from tests.support.small_sweep import TEXT


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(TEXT)
    return path


def test_an_unknown_kind_is_an_error_with_what_was_meant() -> None:
    with pytest.raises(ScenarioError, match="'energies'"):
        parse_scenario(TEXT + '[study]\nkind = "energy"')


def test_every_kind_has_a_module() -> None:
    for word in get_args(Kind):
        module = load_kind(word)
        assert all(hasattr(module, name) for name in ("compute", "draw", "table"))


def test_a_study_is_run_drawn_and_opened_by_xarray(scenario: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import xarray

    monkeypatch.chdir(scenario.parent)
    assert call(["run", "small.toml"]) == 0
    assert call(["run", "small.toml"]) == 2
    assert call(["plot", "small.h5"]) == 0
    assert Path("small.png").stat().st_size > 10_000
    with xarray.open_dataset("small.h5", engine="h5netcdf", group="study") as found:
        assert dict(found.sizes) == {"run": 4, "row": 7, "layer": 3}
        energy = found["energy"].values
        assert str(found["run"].values[3]) == "error, steps 3, width 12"
    single = read_scenario(scenario, ["network.hidden.width=12", "inference.method=error", "inference.steps=3"])
    with pcsim.run(runs_of(single)[0].scenario) as trace:
        assert np.array_equal(energy[3, :4], trace.energy)
    assert np.isnan(energy[3, 4:]).all()


@pytest.mark.parametrize(
    "command", [["replay"], ["replay", "--verify"], ["export", "-o", "w.npz"], ["plot", "--theory"]]
)
def test_commands_for_one_run_say_that_a_study_is_none(
    scenario: Path, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(scenario.parent)
    pcsim.run(read_scenario("small.toml"), path="small.h5").close()
    assert call([command[0], "small.h5", *command[1:]]) == 2
    assert "study" in capsys.readouterr().err


def test_check_tells_kind_and_runs_of_a_study(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["check", str(scenario)]) == 0
    assert "study      energies, 4 runs" in capsys.readouterr().out


def test_comparing_a_study_is_refused(scenario: Path) -> None:
    with pytest.raises(UsageError, match="a study is not compared as a whole"):
        pcsim.compare(read_scenario(scenario), precision=["float32", "float64"])


def diverging() -> None:
    raise RunFailed("diverged")


@pytest.mark.parametrize(
    ("stop", "code", "status"),
    [
        (lambda: signal.raise_signal(signal.SIGTERM), 143, "interrupted"),
        (lambda: signal.raise_signal(signal.SIGINT), 130, "interrupted"),
        (diverging, 1, "failed"),
    ],
)
def test_what_was_finished_is_kept_whatever_ends_a_study(
    scenario: Path, stop: Callable[[], None], code: int, status: str
) -> None:
    path = scenario.with_suffix(".h5")
    with pytest.raises(RunFailed, match="what was finished is in") as caught:
        pcsim.run(read_scenario(scenario), path=path, progress=lambda over, of: stop() if over == 2 else None)
    assert caught.value.exit_code == code
    with pcsim.open_trace(path) as trace:
        assert trace.status == status
        assert len(results_of(trace)["run"].values) == 2


def test_a_study_says_what_runs_have_to_record() -> None:
    text = TEXT + '[trace]\nrecord = ["grad_norm"]\n'
    with pytest.raises(UsageError, match=r'trace.record: the study measures energy, .* add "energy" to the list'):
        pcsim.run(parse_scenario(text))


def test_runs_that_diverge_are_kept_as_far_as_they_went() -> None:
    with pcsim.run(parse_scenario(TEXT, overrides=["inference.step_size=1e30", "inference.steps=60"])) as trace:
        results = results_of(trace)
        assert trace.status == "complete"
    assert results["energy"].values.shape[0] == 4
    assert energies.table(results)[0]["final energy"]


def test_training_runs_are_swept_too(tmp_path: Path) -> None:
    text = TEXT.replace(
        "[sweep]", '[learning]\noptimizer = "adam"\nlr = 1e-3\nepochs = 2\nbatch = 64\n[sweep]\nseed = [0, 1]'
    )
    text = re.sub(r"inference = .*|network.hidden.*", "", text).replace(
        'name = "digits"', 'name = "digits"\nsamples = 256'
    )
    with pcsim.run(parse_scenario(text)) as trace:
        results = results_of(trace)
    assert results["test_accuracy"].values.shape == (2, 2)
    assert [row["run"] for row in import_module("pcsim.studies.energies").table(results)] == ["seed 0", "seed 1"]


FAILING = TEXT[: TEXT.index("[sweep]")] + '[learning]\noptimizer = "sgd"\nepochs = 1\nbatch = 64\n[sweep]\n'


@pytest.mark.parametrize("kind", ["energies", "learning-curves", "forward-pass"])
def test_a_run_that_fails_is_a_row_with_its_reason_and_the_rest_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    text = FAILING + f'learning.lr = [1e-3, 1e30, 2e-3]\n[study]\nkind = "{kind}"\n'
    Path("s.toml").write_text(text.replace('name = "digits"', 'name = "digits"\nsamples = 192'))
    assert call(["run", "s.toml"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "diverged" in line]
    assert re.match(r"lr 1e\+30 .*diverged: the energy of .*layer \d is not finite at update \d", line)
    with pcsim.open_trace("s.h5") as trace:
        assert trace.status == "complete"
        results = results_of(trace)
        assert list(failures_of(results)) == ["lr 1e+30"]
        assert {"lr 0.001", "lr 0.002"} <= {*results["variant" if "variant" in results else "run"].values}
    assert call(["plot", "s.h5"]) == 0


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("[sweep]", '[trace]\nrecord = ["states"]\n[sweep]', "the study measures energy, and a run does not record it"),
        ("[8, 12]", "[8, 12]\ndata.batch = [4, 5000]", "state, width 8, batch 5000: "),
        ("[8, 12]", '[8, 12]\n[study]\nkind = "learning-curves"', "the study learning-curves needs runs that train"),
        (
            "[8, 12]",
            '[8, 12]\n[study]\nkind = "inference-rate"',
            "error, steps 3, width 12: the study inference-rate",
        ),
        ("[8, 12]", '[8, 12]\n[study]\nkind = "convergence"\n[trace]\nrecord = ["states"]', "linear"),
    ],
)
def test_check_refuses_what_run_refuses(
    scenario: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, line: str
) -> None:
    scenario.write_text(TEXT.replace(old, new))
    assert call(["check", str(scenario)]) == 2
    assert line in capsys.readouterr().err


def test_check_looks_for_room(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario.write_text(TEXT[: TEXT.index("[sweep]")])
    many = ["--set", "inference.steps=90_000_000", "--set", 'trace.record=["energy","states","energy_per_sample"]']
    assert call(["check", str(scenario), *many, "--set", "data.batch=1000"]) == 2
    assert "the trace needs about" in capsys.readouterr().err


def test_a_study_of_which_no_run_comes_to_its_end_fails(tmp_path: Path) -> None:
    text = FAILING + 'learning.lr = [1e30, 1e31]\n[study]\nkind = "forward-pass"\n'
    with pytest.raises(RunFailed, match=r"^all 2 runs failed, the first: training diverged: .*; use a smaller"):
        pcsim.run(parse_scenario(text.replace('name = "digits"', 'name = "digits"\nsamples = 192')))


def test_epochs_and_updates_of_a_study_count_from_one(tmp_path: Path):
    text = (
        TEXT.split("[sweep]", maxsplit=1)[0]
        + '[learning]\nepochs = 2\n[sweep]\nseed = [0, 1]\n[study]\nkind = "learning-curves"\n'
    )
    with pcsim.run(parse_scenario(text), path=tmp_path / "s.h5") as trace:
        assert trace.file["study/epoch"][()].tolist() == [1, 2]


def test_an_error_in_a_callback_of_a_study_is_raised_when_its_trace_is_written(scenario: Path) -> None:
    def fail(done: float, runs: float) -> None:
        if done == 2:
            raise SystemExit("enough")

    path = scenario.with_suffix(".h5")
    with pytest.raises(SystemExit, match="enough"):
        pcsim.run(read_scenario(scenario), path=path, progress=fail)
    with pcsim.open_trace(path) as trace:
        assert (trace.status, len(results_of(trace)["run"].values)) == ("interrupted", 2)
