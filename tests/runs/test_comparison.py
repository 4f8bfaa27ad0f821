"""Comparing arithmetics: which combinations run, what they are referred to, what is said."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pcsim_numpy.backend import NumpyBackend
from rich.console import Console

import pcsim
from pcsim.cli.call import call
from pcsim.engine.backend import Settled, Task
from pcsim.errors import UsageError
from pcsim.report.comparison_report import print_comparison, verdicts
from pcsim.runs.comparison import combine
from pcsim.scenario import Scenario, read_scenario, scenario_text

SMALL = ["network.hidden={layers=9, width=16}", "inference.steps=12"]


@pytest.fixture
def scenario() -> Scenario:
    return pcsim.read_scenario("signal-decay", SMALL)


def test_the_grid_is_every_precision_in_every_form(scenario: Scenario) -> None:
    grid = combine(scenario, None, ["float16", "float32", "exact"], ["standard", "increment"])
    assert [(c.backend, c.precision, c.form) for c in grid] == [
        (backend, precision, form)
        for precision, backend in (("float16", "numpy"), ("float32", "numpy"), ("exact", "exact"))
        for form in ("standard", "increment")
    ]


def test_without_options_float32_and_float64_are_compared_in_both_forms(scenario: Scenario) -> None:
    grid = combine(scenario, None, None, None)
    assert {(c.precision, c.form) for c in grid} == {
        (p, f) for p in ("float32", "float64") for f in ("standard", "increment")
    }


def test_methods_without_forms_have_one_combination_a_precision() -> None:
    scenario = pcsim.read_scenario("error-optimization", SMALL[:1])
    assert [c.form for c in combine(scenario, None, ["float32", "exact"], None)] == [None, None]
    with pytest.raises(UsageError, match="method 'error' has no forms"):
        combine(scenario, None, None, ["increment"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((None, ["float31"], None), "float31"),
        ((None, None, ["incremental"]), "'incremental' is not allowed; give standard, increment"),
        ((["nump"], None, None), "did you mean 'numpy'"),
    ],
)
def test_a_combination_that_cannot_run_is_refused(
    scenario: Scenario, options: tuple[Any, Any, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        combine(scenario, *options)


def test_the_exact_backend_brings_its_precision_along(scenario: Scenario) -> None:
    grid = combine(scenario, ["numpy", "exact"], None, None)
    assert [(c.backend, c.precision) for c in grid] == [("numpy", "float32"), ("exact", "exact")]
    with pytest.raises(UsageError, match="backend 'exact' has no precision 'float32'"):
        combine(scenario, ["exact"], ["float32"], None)


def test_one_combination_is_nothing_to_compare(scenario: Scenario) -> None:
    with pytest.raises(UsageError, match="only one combination"):
        combine(scenario, None, ["float32"], ["standard"])


def test_words_may_stand_alone(scenario: Scenario) -> None:
    with pcsim.compare(scenario, precision="float32", form=["standard", "increment"]) as comparison:
        assert comparison.labels == ["float32 standard", "float32 increment"]


def test_a_reference_that_is_rounded_itself_is_said(scenario: Scenario) -> None:
    with pcsim.compare(scenario, precision=["float32", "float64"]) as comparison:
        assert "The reference, float64 standard, is rounded itself" in verdicts(comparison)[-1]


def test_options_of_narrow_formats_are_dropped_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "signal-decay", "--precision", "bfloat16,float64", "-o", str(tmp_path / "out")]
    assert call([*words, "--set", 'inference.rounding="stochastic"', "--set", SMALL[0], "--set", SMALL[1]]) == 0
    assert "bfloat16 standard: errors of about one unit" in " ".join(capsys.readouterr().out.split())


def test_all_are_referred_to_the_most_precise(scenario: Scenario) -> None:
    precisions = ["exact", "bfloat16", "float64"]
    with pcsim.compare(scenario, precision=precisions, form=["standard", "increment"]) as comparison:
        assert comparison.labels[comparison.reference] == "exact increment"
        assert comparison.labels == [f"{p} {f}" for p in precisions for f in ("standard", "increment")]
        silent = {label: comparison.silent_by_format(i) for i, label in enumerate(comparison.labels)}
        assert silent["bfloat16 standard"]
        assert not silent["float64 increment"]
        error = comparison.relative_error(comparison.labels.index("float64 increment"))
        assert error.shape == (13, 10)
        assert error.max() < 1e-13
        assert (comparison.relative_error(comparison.reference) == 0).all()
        sentences = "\n".join(verdicts(comparison))
        assert "bfloat16 standard: layers 0 to" in sentences
        assert "silent only because of the format" in sentences


def test_underflow_in_the_increment_form_is_said(scenario: Scenario) -> None:
    with pcsim.compare(scenario, precision=["float16", "float64"], form="increment") as comparison:
        sentences = verdicts(comparison)
    assert any(s.startswith("float16 increment: Errors in") and "bfloat16 or float32" in s for s in sentences)


def test_the_report_fits_a_narrow_terminal(scenario: Scenario) -> None:
    with pcsim.compare(scenario, precision=["bfloat16", "float32", "float64"], form=["standard"]) as comparison:
        console = Console(width=32, record=True, file=Path("/dev/null").open("w"))  # noqa: SIM115
        print_comparison(comparison, console, full=True)
        text = console.export_text()
        console.file.close()
    assert "…" not in text
    assert text.count("\narrival step\n") == 2, text


def test_a_diverging_run_is_kept_and_said(tmp_path: Path) -> None:
    scenario = pcsim.read_scenario("signal-decay", [*SMALL, "inference.step_size=30.0", "inference.steps=2000"])
    with pcsim.compare(scenario, precision=["float32", "float64"], folder=tmp_path) as comparison:
        assert {trace.status for trace in comparison.traces} == {"failed"}
        assert "not finite" in verdicts(comparison)[0]


def test_runs_in_processes_of_their_own_give_the_same_traces(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pcsim.compare(scenario, precision=["float32", "float64"], folder=tmp_path / "here") as here:
        monkeypatch.setattr("pcsim.runs.comparison.WORTH_A_PROCESS", 0.0)
        with pcsim.compare(scenario, precision=["float32", "float64"], folder=tmp_path / "apart") as apart:
            for a, b in zip(here.traces, apart.traces, strict=True):
                np.testing.assert_array_equal(a.energy, b.energy)


def test_the_command_writes_traces_and_a_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "signal-decay", "--precision", "bfloat16,float64", "-o", str(tmp_path / "out")]
    for override in SMALL:
        words += ["--set", override]
    assert call(words) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "compare.csv",
        "compare.png",
        "numpy-bfloat16-standard.h5",
        "numpy-float64-standard.h5",
    ]
    assert "silent only because of the format" in " ".join(capsys.readouterr().out.split())
    assert call(words) == 2
    assert "exists" in capsys.readouterr().err
    assert call([*words, "--force"]) == 0


def test_what_the_runs_share_is_stored_once(scenario: Scenario, tmp_path: Path) -> None:
    precisions = ["float16", "bfloat16", "float32", "float64"]
    with pcsim.compare(scenario, precision=precisions, folder=tmp_path) as comparison:
        for trace in comparison.traces:
            result = pcsim.verify(trace)
            assert result.agrees
            assert result.tolerance == 0
    reference = "numpy-float64-standard.h5"
    for precision, holder in zip(precisions, (reference, None, reference, None), strict=True):
        with pcsim.open_trace(tmp_path / f"numpy-{precision}-standard.h5") as trace:
            assert trace.attributes.get("shared_in") == holder
            assert ("network" in trace.file) == ("data" in trace.file) == (holder is None)
            assert trace.data.keys() == {"x", "y"}
            assert trace.network["W_0"].dtype == (np.float32 if precision == "bfloat16" else np.dtype(precision))


@pytest.mark.parametrize("gone", [True, False])
def test_a_trace_apart_from_what_it_shares_says_so(scenario: Scenario, tmp_path: Path, gone: bool) -> None:
    with pcsim.compare(scenario, precision=["float32", "float64"], folder=tmp_path):
        pass
    holder = tmp_path / "numpy-float64-standard.h5"
    if gone:
        holder.unlink()
    else:
        pcsim.run(scenario.at_seed(5), path=holder, force=True).close()
    with pcsim.open_trace(tmp_path / "numpy-float32-standard.h5") as trace:
        assert trace.rows > 0
        with pytest.raises(UsageError, match=f"holds no .*: it was left to {holder}, which is gone or another one"):
            pcsim.verify(trace)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_run_that_memory_does_not_suffice_for_does_not_end_the_others(
    scenario: Scenario,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    precision: str,
) -> None:
    whole = NumpyBackend.settle

    def settle(self: NumpyBackend, task: Task, *given: Any) -> Settled:
        if task.precision == precision:
            raise MemoryError("Unable to allocate 7 TiB")
        return whole(self, task, *given)

    monkeypatch.setattr(NumpyBackend, "settle", settle)
    monkeypatch.chdir(tmp_path)
    Path("s.toml").write_text(scenario_text(scenario))
    assert call(["compare", "s.toml", "--precision", "float32,float64", "-o", "both"]) == 1
    printed, errors = capsys.readouterr()
    assert f"{precision} standard: out of memory: Unable to allocate 7 TiB; use a smaller" in printed
    assert errors == f"error: 1 of 2 runs failed: {precision} standard\n"
    Path("t.toml").write_text('extends = "s.toml"\n[sweep]\nbackend.precision = ["float32", "float64"]\n')
    assert call(["run", "t.toml"]) == 0
    assert re.search(rf"{precision} .* out of memory: Unable to allocate 7 TiB\n", capsys.readouterr().out)


def test_a_format_that_the_scenarios_backend_lacks_runs_on_numpy() -> None:
    scenario = read_scenario("signal-decay", ["inference.steps=1"], backend="exact")
    assert [c.backend for c in combine(scenario, None, ["float32", "float64"], None)] == ["numpy", "numpy"]
