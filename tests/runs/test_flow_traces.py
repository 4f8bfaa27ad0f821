"""What surrounds a run in continuous time: its trace, summary, findings, verification, figures and theory."""

import re
import signal
from typing import Any

import numpy as np
import pytest
import xarray
from rich.console import Console

import pcsim
from pcsim.cli.call import call
from pcsim.errors import Interrupted
from pcsim.report.comparison_report import print_comparison
from pcsim.report.findings import findings
from pcsim.report.plotting import draw
from pcsim.report.summary import headline, layer_table, work
from tests.support.flow_files import EVERYTHING, NOISE, STOP, TEXT, interrupting, run
from tests.support.scenario_files import Files


def test_a_trace_in_continuous_time_opens_in_other_tools(files: Files) -> None:
    run(files, EVERYTHING, path="s.h5").close()
    with xarray.open_dataset("s.h5", engine="h5netcdf") as found:
        assert found["time"].values.tolist() == [0.0, 0.5, 1.0, 5.0]
        assert found["energy"].dims == ("time", "layer")
        assert found["arrival_time"].dims == found["arrival_step"].dims == ("layer",)
        assert found["arrival_time"].values.tolist() == [0.5, 0.5, 0.5, 0.0]
        assert "solver took" not in found["arrival_time"].attrs["long_name"]
    with xarray.open_datatree("s.h5", engine="h5netcdf") as tree:
        for name in ("steps", "rejected", "evaluations"):
            assert tree[f"solver/{name}"].dims == ("sample",)
            assert tree[f"solver/{name}"].attrs["long_name"]
        assert tree["states/layer_0"].dims == ("time", "sample", "unit_0")


def test_attributes_say_how_the_flow_was_solved_and_what_that_took(files: Files) -> None:
    with run(files) as trace:
        kept, counts = trace.attributes, trace.solver_work
        assert (kept["solver"], kept["rtol"], kept["atol"]) == ("dopri5", 1e-6, 1e-9)
        assert not {"step_size", "noise"} & set(kept)
        assert kept["steps_taken"] == counts["steps"].max() > trace.arrival_steps.max() > 0
        assert kept["rejected_steps"] == counts["rejected"].max()
        assert kept["field_evaluations"] == counts["evaluations"].max() > kept["steps_taken"]
    with run(files, *NOISE) as trace:
        assert (trace.attributes["step_size"], trace.attributes["noise"]) == (0.05, 0.01)
        assert not {"rtol", "atol", "form"} & set(trace.attributes)


def test_a_solver_that_computes_in_more_than_the_run_is_named(files: Files) -> None:
    told = "The solver computed in float64: float32 is the type of parameters, data and results"
    for backend, solver, said in (("numba", "dopri5", True), ("numpy", "radau", True), ("numpy", "euler", False)):
        changes = [f"backend.name={backend}", "backend.precision=float32", f"inference.solver={solver}"]
        with run(files, *changes, *(["inference.step_size=0.1"] if solver == "euler" else [])) as trace:
            assert trace.attributes.get("solver_precision") == ("float64" if said else None)
            assert (told in " ".join(findings(trace))) == said


def test_the_summary_speaks_of_time(files: Files) -> None:
    with run(files) as trace:
        assert re.fullmatch(
            "state flow, standard form, dopri5, rtol 1e-06, atol 1e-09, float64 on numpy, batch 3, to time 5 in .* m?s",
            headline(trace),
        )
        assert [column.header for column in layer_table(trace).columns][2] == "arrival time"
    with run(files, *STOP) as trace:
        assert re.search(r"to time [5-9]\.\d+ in .* \(converged\)$", headline(trace))
    counts = {"steps": [33, 41], "rejected": [2, 2], "evaluations": [430, 1560]}
    assert work({name: np.array(values) for name, values in counts.items()}) == (
        "33 to 41 solver steps a sample, 2 rejected, 430 to 1,560 field evaluations"
    )


def test_the_commands_speak_of_time(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.write(TEXT)
    assert call(["check", "s.toml"]) == 0
    assert "state, dopri5, rtol 1e-06, atol 1e-09, to time 5, 4 rows recorded" in capsys.readouterr().out
    assert call(["run", "s.toml"]) == 0
    assert re.search(r"\d+ solver steps a sample, \d.* rejected, \d+.* field evaluations", capsys.readouterr().out)
    assert call(["replay", "s.h5"]) == 0
    assert "time 0  time 0.5" in capsys.readouterr().out
    assert call(["replay", "s.h5", "--verify"]) == 0
    assert "final errors, arrival times (the same bits)" in capsys.readouterr().out
    assert call(["backends"]) == 0
    assert "  solvers     none: discrete steps only" in capsys.readouterr().out


def test_an_interrupted_flow_says_when(files: Files) -> None:
    with pytest.raises(Interrupted, match=r"interrupted at time 0\.5; the trace up to there is in s\.h5"):
        run(files, path="s.h5", progress=interrupting)
    with pcsim.open_trace("s.h5") as trace:
        assert trace.steps.tolist() == [0.0, 0.5]
        result = pcsim.verify(trace)
    assert result.agrees
    assert result.tolerance == 0


def test_a_flow_that_fails_before_its_first_row_leaves_a_trace_that_every_command_takes(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(clock: float, end: float) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted, match="interrupted at time 0"):
        run(files, "inference.save_at=[5.0]", "inference.rtol=1e-13", path="s.h5", progress=fail)
    with pcsim.open_trace("s.h5") as trace:
        assert trace.rows == 0
        assert "to time 0 in" in headline(trace)
        assert layer_table(trace).row_count == 4
        findings(trace)
    for words in (["replay", "s.h5"], ["replay", "s.h5", "--verify"], ["plot", "s.h5"]):
        assert call(words) == 2
        assert "holds no rows" in capsys.readouterr().err


def test_silence_and_tolerance_are_said_in_terms_of_time() -> None:
    solver = ("inference.solver=dopri5", "inference.t_end=1.0", "data.batch=2", "backend.precision=float64")
    with pcsim.run(pcsim.read_scenario("signal-decay", solver)) as trace:
        text = "\n".join(findings(trace))
    assert re.search(r"No signal reached layers 0.* up to time 1: their errors are exactly zero in float64", text)
    assert re.search(r"The signal in layers \d to \d+ is below the solver's absolute tolerance: .* than 1e-09\.", text)
    assert "below one unit in the last place of the states" in text
    assert "came late" not in text
    assert "step" not in text.replace("steps", "")


def test_noise_leaves_nothing_to_say_of_arrivals(files: Files) -> None:
    with run(files, *NOISE) as trace:
        assert findings(trace) == [
            "The temperature is 0.01: noise moves every layer from the first step on, and arrival times say nothing."
        ]


def test_a_comparison_of_forms_speaks_of_time(files: Files) -> None:
    with pcsim.compare(files.read(TEXT), precision="float64", form=["standard", "increment"]) as comparison:
        console = Console(record=True, width=100, quiet=False)
        print_comparison(comparison, console, full=True)
        assert comparison.relative_error(0).shape == (4, 4)
    text = console.export_text()
    assert "arrival time" in text
    assert "at the last common time" in text
    assert "on time" in text
    assert "step" not in text


@pytest.mark.parametrize("overrides", [(), ("inference.save_at=[5.0]",), ("inference.save_at={log=[0.1,5.0,9]}",)])
def test_figures_have_an_axis_of_time(files: Files, overrides: tuple[str, ...]) -> None:
    with run(files, *overrides) as trace:
        figure: Any = draw([trace])
    assert [axes.get_xlabel() for axes in figure.axes[:2]] == ["time", "time"]
    figure.canvas.draw()
