"""Precisions that are learned: against an energy written here and its derivatives, in closed form, in whole runs."""

import signal
from dataclasses import replace
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

import pcsim
from pcsim.errors import Interrupted, ScenarioError, UsageError
from pcsim.inference import ErrorOptimization, StateOptimization
from pcsim.learning import GradientRule, NaturalRule, PrecisionRule
from pcsim.model.network import PRECISION
from tests.support.cases import XP, make_case
from tests.support.learning import RATE, STEP_SIZE, STEPS, UPDATES, batches, combined, learner_on, train
from tests.support.own import scenario_with
from tests.support.training_files import assert_same_bits, interrupting

ETA = 0.05
WIDTHS = (5, 6, 7, 3)
RULES: dict[str, PrecisionRule] = {"gradient": GradientRule(ETA), "natural": NaturalRule(ETA)}


def predictions(weights: Any, states: Any, x: Any) -> list[Any]:
    below = [x, *states]
    last = len(weights) - 1
    sums = [s @ own["W"] + own["b"] for s, own in zip(below, weights, strict=True)]
    return [total if i == last else jnp.tanh(total) for i, total in enumerate(sums)]


def energy(states: Any, weights: Any, logs: Any, x: Any, y: Any) -> Any:
    """½ Σ (γ ‖ε‖² − n log γ) + ½ ‖ŷ − y‖² of all samples, by log γ."""
    *hidden, output = predictions(weights, states, x)
    errors = [s - p for s, p in zip(states, hidden, strict=True)]
    terms = [0.5 * (jnp.exp(log) * (e**2).sum() - e.size * log) for log, e in zip(logs, errors, strict=True)]
    return sum(terms) + 0.5 * ((output - y) ** 2).sum()


def of_errors(errors: Any, weights: Any, logs: Any, x: Any, y: Any) -> Any:
    return energy(states_of(errors, weights, x), weights, logs, x, y)


def states_of(errors: Any, weights: Any, x: Any) -> list[Any]:
    found = list[Any]()
    for error, own in zip(errors, weights, strict=False):
        found.append(jnp.tanh((found[-1] if found else x) @ own["W"] + own["b"]) + error)
    return found


@partial(jax.jit, static_argnames=("by_errors", "natural"))
def learned(weights: Any, logs: Any, x: Any, y: Any, *, by_errors: bool, natural: bool) -> Any:
    """Return weights and log γ after an update, both by automatic differentiation of the energy."""
    function = of_errors if by_errors else energy
    zeros = [jnp.zeros((len(x), n)) for n in WIDTHS[1:-1]]
    start = zeros if by_errors else states_of(zeros, weights, x)

    def step(_: int, z: Any) -> Any:
        return combined(lambda a, g: a - STEP_SIZE * g, z, jax.grad(function)(z, weights, logs, x, y))

    settled = jax.lax.fori_loop(0, STEPS, step, start)
    states = states_of(settled, weights, x) if by_errors else settled
    by_weights, by_logs = jax.grad(energy, argnums=(1, 2))(states, weights, logs, x, y)
    after = combined(lambda w, g: w - RATE * g / len(x), weights, by_weights)
    if not natural:
        return after, [log - ETA * slope / len(x) for log, slope in zip(logs, by_logs, strict=True)]
    errors = [s - p for s, p in zip(states, predictions(weights, states, x)[:-1], strict=True)]
    variances = [jnp.exp(-log) for log in logs]
    return after, [-jnp.log(v + ETA * ((e**2).mean() - v)) for v, e in zip(variances, errors, strict=True)]


@pytest.mark.usefixtures("jax_in_double")
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("method", [StateOptimization, ErrorOptimization])
def test_ten_updates_are_those_of_an_energy_written_here(method: Any, rule: str) -> None:
    case = make_case(widths=WIDTHS)
    starts = (0.7, 1.6)
    given = ({**own, PRECISION: np.array([g])} for own, g in zip(case.parameters, starts, strict=False))
    parameters = (*given, case.parameters[-1])
    network = replace(case.network, learns_precisions=True)
    case = replace(case, energy=replace(case.energy, network=network), parameters=parameters)
    ours = train(case, learner_on(method(case.energy), precisions=RULES[rule]))
    weights = [{name: own[name] for name in "Wb"} for own in case.parameters]
    logs = [np.log(start) for start in starts]
    for k, (x, y) in enumerate(batches(case)):
        weights, logs = learned(weights, logs, x, y, by_errors=method is ErrorOptimization, natural=rule == "natural")
        for i, own in enumerate(ours[k].parameters):
            for name in "Wb":
                np.testing.assert_allclose(own[name], weights[i][name], rtol=1e-9, atol=1e-12)
        gammas = [float(own[PRECISION][0]) for own in ours[k].parameters[:-1]]
        np.testing.assert_allclose(gammas, np.exp(logs), rtol=1e-9)
    assert len(ours) == UPDATES


def moved(rule: PrecisionRule, gamma: float, square: float, units: int, updates: int) -> list[float]:
    """Return γ after every update while the mean of ‖ε‖² stays."""
    found = [gamma]
    for _ in range(updates):
        now = np.array([found[-1]])
        found.append(float(rule.moved(XP, now, 0.5 * (square - units / now), units)[0]))
    return found


@pytest.mark.parametrize("start", [1e-6, 0.3, 50.0, 1e6])
def test_the_natural_gradient_goes_to_the_inverse_of_the_mean_square_at_its_rate(start: float) -> None:
    path = np.array(moved(NaturalRule(0.1), start, 2.4, 12, 400))
    share = 0.9 ** np.arange(401)
    np.testing.assert_allclose(1.0 / path, 0.2 + share * (1.0 / start - 0.2), rtol=1e-9)
    assert path[-1] == pytest.approx(12 / 2.4, rel=1e-9)


@pytest.mark.parametrize("start", [1e-6, 0.3, 50.0])
def test_the_gradient_goes_there_too_and_stays_positive(start: float) -> None:
    path = np.array(moved(GradientRule(0.05), start, 2.4, 12, 400))
    assert (path > 0.0).all()
    assert path[-1] == pytest.approx(12 / 2.4, rel=1e-9)


def scenario(backend: str = "numpy", inference: dict[str, Any] | None = None, **learning: Any) -> dict[str, Any]:
    words = {"epochs": 2, "batch": 32, "precisions": "natural", "precision_lr": 0.05} | learning
    tables = scenario_with(data={"samples": 96}, learning=words, inference=inference or {})
    return tables | {"backend": {"name": backend, "precision": "float64"}}


def precisions(arrays: Any) -> list[float]:
    return [float(arrays[f"precision_{i}"][0]) for i in range(2)]


def test_a_trace_has_them_before_and_after_and_is_verified(tmp_path: Path) -> None:
    tables = scenario()
    tables["network"] |= {"precisions": [0.5, 2.0]}
    with pcsim.run(tables, path=tmp_path / "run.h5") as trace:
        assert precisions(trace.network) == [0.5, 2.0]
        gammas = precisions(trace.trained)
        assert min(abs(np.array(gammas) - [0.5, 2.0])) > 0.1
        assert pcsim.verify(trace).tolerance == 0
        for i, gamma in enumerate(gammas):
            squares = (trace.final_errors[i] ** 2).sum(axis=1)
            assert trace.energy[-1, i] == pytest.approx(0.5 * gamma * squares.mean(), rel=1e-9)
        update = pcsim.learn_from(trace)
        n, squares = 6, (trace.final_errors[0] ** 2).sum(axis=1).mean()
        assert update.gradient["precision_0"][0] == pytest.approx(0.5 * (squares - n / gammas[0]), rel=1e-9)
        variance = 1 / gammas[0] + 0.05 * (squares / n - 1 / gammas[0])
        assert update.parameters["precision_0"][0] == pytest.approx(1 / variance, rel=1e-9)
        last = dict(trace.trained)
        assert np.isfinite(pcsim.evaluate(trace).training.loss)
    further = pcsim.run(scenario(), overrides=[f"network.weights={tmp_path / 'run.h5'}"])
    assert precisions(further.network) == precisions(last)


def test_a_run_that_was_broken_off_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole.h5", tmp_path / "broken.h5"
    pcsim.run(scenario(), path=whole).close()
    with pytest.raises(Interrupted):
        pcsim.run(scenario(), path=broken, progress=interrupting(4, signal.SIGINT))
    pcsim.run(scenario(), resume=broken).close()
    assert_same_bits(whole, broken)


def test_what_is_frozen_stays_and_clipping_leaves_precisions_alone() -> None:
    def trained(**learning: Any) -> dict[str, NDArray[Any]]:
        with pcsim.run(scenario(epochs=1, batch=96, optimizer="sgd", **learning)) as trace:
            return dict(trace.trained)

    plain, clipped, frozen = trained(), trained(clip=1e-6), trained(freeze=[0])
    assert precisions(clipped) == precisions(plain)
    assert precisions(frozen)[0] == 1.0
    assert precisions(frozen)[1] == precisions(plain)[1]


WAYS: dict[str, dict[str, Any]] = {
    "state": {},
    "increment": {"form": "increment"},
    "error": {"method": "error"},
    "sequential": {"method": "sequential"},
    "equilibrium": {"method": "equilibrium", "steps": 200},
    "halving": {"method": "error", "step_halving": True},
    "errors first": {"error_steps": 2},
    "automatic": {"step_size": "auto"},
    "noise": {"noise": 0.01},
}
DROPPED = {"equilibrium": ("step_size",)}


@pytest.mark.exhaustive
@pytest.mark.parametrize(("way", "rule"), [*zip(WAYS, cycle(RULES)), ("state", "natural")])
def test_jax_learns_what_numpy_learns(way: str, rule: str) -> None:
    found = [scenario(backend, WAYS[way], precisions=rule) for backend in ("numpy", "jax")]
    for tables in found:
        for key in DROPPED.get(way, ()):
            del tables["inference"][key]
    ours, theirs = (pcsim.run(tables) for tables in found)
    for name, array in ours.trained.items():
        np.testing.assert_allclose(theirs.trained[name], array, rtol=1e-7, atol=1e-10, err_msg=name)
    np.testing.assert_allclose(theirs.training["cosine"], ours.training["cosine"], rtol=1e-6)
    assert precisions(ours.trained) != [1.0, 1.0]
    assert pcsim.verify(theirs).tolerance == 0


@pytest.mark.exhaustive
@pytest.mark.parametrize("backend", ["numba", "exact"])
def test_other_backends_infer_with_what_was_learned(backend: str) -> None:
    with pcsim.run(scenario()) as trace:
        assert pcsim.verify(trace, backend=backend).agrees


@pytest.mark.exhaustive
@pytest.mark.parametrize("task", ["generative", "autoencoding"])
def test_a_free_input_goes_by_them(task: str) -> None:
    found = []
    for backend in ("numpy", "jax"):
        tables = scenario(backend, {} if task == "generative" else {"input": "free"})
        tables["network"] = {"widths": [10, 6, 6, 64], "activation": "tanh"}
        tables["data"] |= {"task": task}
        found.append(pcsim.run(tables))
    ours, theirs = found
    for name, array in ours.trained.items():
        np.testing.assert_allclose(theirs.trained[name], array, rtol=1e-7, atol=1e-10, err_msg=name)
    np.testing.assert_allclose(theirs.training["test_loss"], ours.training["test_loss"], rtol=1e-7)
    assert pcsim.verify(ours).tolerance == 0


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"inference": {"method": "augmented-lagrangian"}}, "does not go with inference.method = .* choose state or"),
        ({"rule": "incremental"}, 'precisions = "natural" does not go with rule = "incremental"'),
        ({"precision_lr": 1.0}, "precision_lr = 1.0, from which variances can become negative; write a rate less"),
        ({"precisions": "fast"}, 'give "gradient" or "natural"'),
    ],
)
def test_words_that_do_not_go_together_are_one_line(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(ScenarioError, match=line):
        pcsim.run(scenario(**changes))


def test_what_cannot_learn_them_says_so() -> None:
    with pytest.raises(UsageError, match="backend 'numba' learns no precisions; remove it, or use the backend"):
        pcsim.run(scenario("numba"))
    with pytest.raises(UsageError, match="most updates of a precision are lost in bfloat16"):
        pcsim.run(scenario("jax"), precision="bfloat16")
