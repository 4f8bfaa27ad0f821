"""Runs that look for equilibria, from the scenario to the summary."""

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

import pcsim
from pcsim.engine.backend import Settled, Task
from pcsim.engine.host import host_namespace
from pcsim.errors import ScenarioError, UsageError
from pcsim.inference import Equilibrium
from pcsim.recorded.verification import verify
from pcsim.report.summary import print_summary
from pcsim.runs.minima import smallest_eigenvalue
from pcsim.runs.simulation import prepare
from pcsim.scenario import Scenario, parse_scenario
from pcsim.trace import Trace
from tests.support.covering import sampled

NETWORK = """
[network]
input = 64
hidden = { layers = 4, width = 12 }
output = 10
activation = "tanh"
init = "orthogonal"
[data]
name = "digits"
batch = 6
"""


def scenario(inference: str = "", rest: str = "", precision: str = "float64") -> Scenario:
    return parse_scenario(
        f'{NETWORK}[inference]\nmethod = "equilibrium"\nloss = "squared-error"\n{inference}\n'
        f'[backend]\nprecision = "{precision}"\n{rest}'
    )


def summary(trace: Trace) -> str:
    text = io.StringIO()
    print_summary(trace, Console(file=text, width=200))
    return text.getvalue()


def test_the_threshold_is_that_of_the_precision_unless_it_is_written() -> None:
    def residual(of: Scenario) -> Any:
        stop = prepare(of).task.stop
        return None if stop is None else stop.grad_norm

    assert residual(scenario()) == 1e-8
    assert residual(scenario(precision="float32")) == 2e-4
    assert residual(scenario("stop = { grad_norm = 1e-5 }")) == 1e-5
    assert scenario().inference.steps == 1000


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("step_size = 0.1", "inference.step_size is not used by method 'equilibrium'"),
        ('optimizer = "adam"', "inference.optimizer is not used by method 'equilibrium'"),
        ("stop = { arrival = true }", "inference.stop.arrival does not go with method"),
        ("stop = { relative_change = 1e-3 }", "inference.stop.relative_change does not go with method"),
        ('curvature = true\ninput = "free"', 'inference.curvature does not go with input = "free"'),
        ('solver = "heun"\nt_end = 1.0', "inference.solver is not used by method 'equilibrium'"),
    ],
)
def test_keys_that_a_search_has_no_use_for(line: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        scenario(line)


def test_other_methods_have_no_curvature() -> None:
    with pytest.raises(ScenarioError, match="curvature is not used by method 'error'"):
        parse_scenario(f'{NETWORK}[inference]\nmethod = "error"\nloss = "squared-error"\ncurvature = true')


def test_other_backends_and_narrow_formats_refuse() -> None:
    with pytest.raises(UsageError, match="backend 'numba' has no method 'equilibrium'"):
        prepare(scenario().on("numba", None))
    with pytest.raises(UsageError, match="looks for equilibria in float32 and float64, not in bfloat16"):
        prepare(scenario(precision="bfloat16"))


def test_the_summary_says_how_many_are_there_and_that_they_are_minima() -> None:
    with pcsim.run(scenario("curvature = true")) as trace:
        assert trace.equilibria["converged"].tolist() == [1] * 6
        assert trace.equilibria["minimum"].tolist() == [1] * 6
        assert (trace.equilibria["residual"] <= 1e-8).all()
        text = summary(trace)
        assert "6 of 6 samples at their equilibrium" in text
        assert f"{trace.equilibria['evaluations'].max()} at most" in text
        assert "all of them minima" in text
        assert "Not at equilibrium" not in text
        assert verify(trace).agrees


def test_the_smallest_eigenvalue_is_that_of_the_hessian() -> None:
    with pcsim.run(scenario("curvature = true")) as trace:
        found = trace.equilibria["smallest_eigenvalue"]
        simulation = prepare(scenario())
        settled = simulation.backend.settle(simulation.task, lambda block: None, lambda step: False)
        task = simulation.task
        hessian = hessian_by_differences(task, settled, 2)
        assert found[2] == pytest.approx(np.linalg.eigvalsh(hessian)[0], rel=1e-5)
        assert found[2] == pytest.approx(smallest_eigenvalue(task, settled, 2), rel=1e-6)


def hessian_by_differences(task: Task, settled: Settled, sample: int) -> NDArray[np.float64]:
    """Return the Hessian over one sample's errors, by central differences of the gradient."""
    xp, one = host_namespace(), slice(sample, sample + 1)
    method = Equilibrium(task.inference.energy, 1e-8, 1)
    clamped = method.clamp(xp, task.parameters, task.x[one], task.y[one])
    flat = np.concatenate([error[one] for error in settled.errors[:-1]], axis=1)

    def gradient(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate(method.at(xp, clamped, at).gradient, axis=1)[0]

    step = 1e-5 * np.eye(flat.shape[1])
    return np.stack([(gradient(flat + s) - gradient(flat - s)) / 2e-5 for s in step])


def test_a_search_that_runs_out_of_evaluations_says_so() -> None:
    with pcsim.run(scenario("steps = 3")) as trace:
        assert not trace.attributes["converged"]
        text = summary(trace)
        assert "0 of 6 samples at their equilibrium" in text
        # Ten outputs: a pass and ten pullbacks in front count as six.
        assert "after 9 evaluations: allow more inference.steps" in text


def test_a_search_that_rounding_ends_says_so() -> None:
    with pcsim.run(scenario("stop = { grad_norm = 1e-12 }", precision="float32")) as trace:
        assert not trace.attributes["converged"]
        assert trace.equilibria["stalled"].all()
        assert "the rounding floor of float32 was reached before the threshold" in summary(trace)


def test_a_free_input_finds_an_equilibrium() -> None:
    with pcsim.run(scenario('input = "free"\nsteps = 200')) as trace:
        there = trace.equilibria["converged"] == 1
        assert (trace.equilibria["residual"][there] <= 1e-8).all()
        assert trace.energy[-1].sum() < 1e-3 * trace.energy[0].sum()
        assert trace.final_input is not None
        assert len(trace.final_states) == 5


@pytest.mark.parametrize("backend", sampled(["numpy", "jax"], ["numpy"]))
def test_learning_from_equilibria(backend: str) -> None:
    text = parse_scenario("""
        [network]
        widths = [1, 6, 6, 1]
        activation = "tanh"
        [data]
        name = "gaussian-line"
        samples = 128
        batch = 8
        [inference]
        method = "equilibrium"
        loss = "squared-error"
        steps = 100
        [learning]
        rule = "pc"
        lr = 0.02
        epochs = 3
        batch = 32
        [backend]
        precision = "float64"
    """)
    with pcsim.run(text, backend=backend) as trace:
        assert (trace.training["steps"] < 100).all()
        assert trace.training["train_loss"][-1] < trace.training["train_loss"][0]
        assert trace.attributes["converged"]
