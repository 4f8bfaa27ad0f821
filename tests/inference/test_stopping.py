"""Stop rules: the first step at which they hold, on every backend, and what is said where they never do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pcsim_exact import ExactBackend
from pcsim_jax import JaxBackend
from pcsim_numpy import NumpyBackend

import pcsim
from pcsim.engine.backend import Backend, Flow
from pcsim.errors import UsageError
from pcsim.inference import IncrementStateOptimization
from pcsim.inference.steppers import GradientDescent
from pcsim.inference.stopping import StopRule
from pcsim.report.findings import findings
from tests.support.cases import Case, join, make_case, make_task
from tests.support.covering import covering
from tests.support.scenario_files import TEXT, Files

BACKENDS: dict[str, tuple[Callable[[], Backend], str]] = {
    "numpy": (NumpyBackend, "float64"),
    "jax": (JaxBackend, "float64"),
    "exact": (ExactBackend, "exact"),
}
RULES = {
    "change": StopRule(relative_change=0.02),
    "arrival": StopRule(arrival=True),
    "norm": StopRule(0.1),
    "all": StopRule(0.2, 0.02, arrival=True),
}


def run(case: Case, stop: StopRule | None, backend: str = "numpy", **options: Any) -> tuple[Any, Any]:
    kind, precision = BACKENDS[backend]
    record = ("energy", "energy_per_sample", "grad_norm", "errors")
    task = make_task(
        case, stepper=GradientDescent(0.3), steps=120, stop=stop, precision=precision, record=record, **options
    )
    blocks: list[Any] = []
    settled = kind().settle(task, blocks.append, lambda clock: False)
    return settled, join(blocks)


def first_met(stop: StopRule, rows: Any) -> int:
    """Return the first step at which a rule holds, read off the rows of a run without one."""
    energy, arrived = rows.energy_per_sample, np.zeros(len(rows.errors), dtype=bool)
    for t in range(len(energy)):
        arrived |= [bool(error[t].any()) for error in rows.errors]
        held = [bool(arrived.all()) or not stop.arrival]
        if stop.relative_change is not None:
            held.append(t > 0 and bool((abs(energy[t] - energy[t - 1]) <= stop.relative_change * energy[t]).all()))
        if stop.grad_norm is not None:
            # One sample: its norm over all variables follows from those of the layers.
            held.append(float(np.sqrt((rows.grad_norm[t, :-1] ** 2).sum())) <= stop.grad_norm)
        if all(held):
            return t
    raise AssertionError("the rule is never met")


@covering(rule=list(RULES), backend=list(BACKENDS))
def test_a_run_ends_at_the_first_step_at_which_the_rule_holds(rule: str, backend: str) -> None:
    case = make_case("tanh", batch=1, widths=(4, 5, 5, 5, 3))
    _, every = run(case, None)
    expected = first_met(RULES[rule], every)
    settled, rows = run(case, RULES[rule], backend)
    assert settled.converged
    assert settled.steps_taken == expected == rows.clock[-1]
    assert 0 < expected < 120
    np.testing.assert_allclose(rows.energy, every.energy[: expected + 1], rtol=1e-9, atol=1e-15)


def test_every_sample_has_to_change_by_little() -> None:
    case, rule = make_case("tanh", batch=4), RULES["change"]
    _, every = run(case, None)
    alone = [
        run(make_case("tanh", batch=4), rule, x=case.x[b : b + 1], y=case.y[b : b + 1])[0].steps_taken for b in range(4)
    ]
    settled, _ = run(case, rule)
    assert settled.steps_taken == first_met(rule, every) >= max(alone)


def test_arrival_takes_one_step_a_layer() -> None:
    case = make_case("tanh", widths=(5, 6, 6, 6, 6, 6, 6, 3))
    for backend in BACKENDS:
        settled, _ = run(case, RULES["arrival"], backend, inference=IncrementStateOptimization(case.energy))
        assert settled.steps_taken == 6
        assert settled.arrival_steps.tolist() == [6, 5, 4, 3, 2, 1, 0]


def test_jax_stops_a_step_beyond_the_end_of_a_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case("tanh")
    expected = run(case, RULES["change"])[0].steps_taken
    for stretch in (1, expected - 1, expected, expected + 1):
        monkeypatch.setattr("pcsim.engine.loop.stretches.FIRST_STRETCH", stretch)
        monkeypatch.setattr("pcsim.engine.loop.stretches.SECONDS", 1e-9)
        assert run(case, RULES["change"], "jax")[0].steps_taken == expected


def test_flows_take_no_rule_on_steps() -> None:
    case = make_case("tanh")
    for rule in (RULES["change"], RULES["arrival"]):
        task = make_task(case, stop=rule, motion=Flow("dopri5", (0.0, 1.0)))
        for backend in (NumpyBackend(), JaxBackend()):
            with pytest.raises(UsageError, match=r"a solver's steps are its own.*nothing but grad_norm"):
                backend.estimate(task)


def test_a_summary_says_that_a_rule_was_not_met_and_which_layers_it_waited_for(files: Files) -> None:
    with pcsim.run(files.read(TEXT, "inference.stop={relative_change=1e-9}")) as trace:
        assert trace.attributes["stop"] == "relative_change = 1e-09"
        assert "The stop rule (relative_change = 1e-09) was not met in 20 steps." in findings(trace)
    with pcsim.run(files.read(TEXT, "inference.stop={arrival=true}", "inference.steps=1")) as trace:
        line = "The stop rule (arrival) was not met in 1 step: no signal reached layer 0."
        assert line in findings(trace)
    with pcsim.run(files.read(TEXT, "inference.stop={arrival=true}")) as trace:
        assert trace.attributes["steps_taken"] == 2
        assert not any("stop rule" in line for line in findings(trace))


def test_a_summary_of_a_flow_says_it_with_its_time(files: Files) -> None:
    changes = ("inference.solver=dopri5", "inference.t_end=1.5", "backend.precision=float64")
    with pcsim.run(files.read(TEXT, *changes, "inference.stop={grad_norm=1e-9}")) as trace:
        assert "The stop rule (grad_norm = 1e-09) was not met up to time 1.5." in findings(trace)
