"""Training in continuous time: Euler and Heun beside their textbook lines, exact solutions and the equilibrium."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pcsim_jax import JaxBackend
from pcsim_numpy import NumpyBackend

import pcsim
from pcsim.errors import UsageError
from pcsim.inference import Adaptive, Constant, Equilibrium, Euler, Heun, Integrated
from pcsim.inference.steppers import GradientDescent
from pcsim.inference.stopping import StopRule
from pcsim.learning import SGD, Batch, Learner
from pcsim.learning.trainer import TrainingTask
from pcsim.linear import linear_system
from tests.support.cases import METHODS, XP, Case, make_case
from tests.support.covering import covering
from tests.support.learning import CASES, RATE, assert_same, batches, combined, forward, train

pytestmark = pytest.mark.usefixtures("jax_in_double")

SIZE, END = 0.3, 1.5
RULES = {"euler": Euler(), "heun": Heun()}
FORMS = ("state", "increment", "error")


def learner_of(case: Case, form: str, rule: Any, control: Any, end: float, stop: StopRule | None = None) -> Learner:
    flow = Integrated(METHODS[form](case.energy), end, rule, control)
    return Learner(flow, GradientDescent(1.0), 100_000, SGD(), stop=stop)


def settled(case: Case, form: str, rule: str, parameters: Any, x: Any, y: Any) -> list[Any]:
    """Constant steps of SIZE up to END, on errors or on states."""
    start = forward(case, parameters, x)[0]
    energy = case.oracle.energy_of_errors if form == "error" else case.oracle.energy_of_states
    start = [jnp.zeros_like(s) for s in start] if form == "error" else start

    def velocity(z: Any) -> Any:
        return combined(lambda g, _: -g, *[jax.grad(energy)(z, parameters, x, y)] * 2)

    def step(_: int, z: Any) -> Any:
        here = velocity(z)
        ahead = combined(lambda a, v: a + SIZE * v, z, here)
        if rule == "euler":
            return ahead
        mean = combined(lambda u, v: 0.5 * (u + v), here, velocity(ahead))
        return combined(lambda a, v: a + SIZE * v, z, mean)

    end = jax.lax.fori_loop(0, round(END / SIZE), step, start)
    return case.oracle.states_of_errors(end, parameters, x) if form == "error" else end


@pytest.mark.exhaustive
@covering(name=list(CASES), form=("state", "error"), rule=list(RULES))
def test_ten_updates_follow_automatic_differentiation(name: str, form: str, rule: str) -> None:
    case = make_case(widths=(5, 6, 6, 3), **CASES[name])

    @jax.jit
    def updated(parameters: Any, x: Any, y: Any) -> Any:
        states = settled(case, form, rule, parameters, x, y)
        slopes = jax.grad(case.oracle.energy_of_states, argnums=1)(states, parameters, x, y)
        return combined(lambda w, g: w - RATE * g / len(x), parameters, slopes)

    parameters: Any = case.parameters
    learner = learner_of(case, form, RULES[rule], Constant(SIZE), END)
    for (x, y), ours in zip(batches(case), train(case, learner), strict=True):
        parameters = updated(parameters, x, y)
        assert_same(ours.parameters, parameters, 1e-9)


def settle(case: Case, learner: Learner) -> tuple[Any, int]:
    """Return where inference ends, and the steps it took."""
    _, point, _, steps = Batch(XP, learner, case.x, case.y).settle(case.parameters)
    return point, int(np.asarray(steps))


@pytest.mark.parametrize(("rule", "order"), [(Euler(), 1), (Heun(), 2)])
@pytest.mark.parametrize("form", ["state", "increment"])
def test_constant_steps_have_the_order_of_their_rule(rule: Any, order: int, form: str) -> None:
    case = make_case("linear")
    exact = linear_system(case.energy, case.parameters, case.x, case.y).trajectory()
    theory = exact.states(exact.flow([1.0]))

    def distance(steps: int) -> float:
        point, taken = settle(case, learner_of(case, form, rule, Constant(1.0 / steps), 1.0))
        assert taken == steps
        return max(float(np.abs(s - t[0]).max()) for s, t in zip(point.states, theory, strict=True))

    assert np.log2(distance(32) / distance(64)) == pytest.approx(order, abs=0.2)


@pytest.mark.exhaustive
@pytest.mark.parametrize("form", FORMS)
def test_tight_tolerances_learn_what_the_equilibrium_does(form: str) -> None:
    case = make_case("tanh", widths=(4, 5, 3), batch=2)
    learner = learner_of(case, form, Heun(), Adaptive(1e-6, 1e-9), 1e4, StopRule(grad_norm=1e-8))
    rest = Learner(Equilibrium(case.energy, 1e-10, 1000), GradientDescent(1.0), 1000, SGD(), stop=StopRule(1e-10))
    found: list[Any] = []
    for each in (learner, rest):
        batch = Batch(XP, each, case.x, case.y)
        clamped, point, *_ = batch.settle(case.parameters)
        found.append(batch.gradient(clamped, point))
    assert_same(found[0], found[1], 1e-6)


@pytest.mark.parametrize("tolerance", [1e-4, pytest.param(1e-7, marks=pytest.mark.exhaustive)])
def test_adaptive_steps_keep_within_their_tolerance_sample_by_sample(tolerance: float) -> None:
    case = make_case("linear", batch=5)
    exact = linear_system(case.energy, case.parameters, case.x, case.y).trajectory()
    theory = exact.states(exact.flow([3.0]))
    make = partial(learner_of, case, "state", Heun(), Adaptive(tolerance, tolerance), 3.0)
    point, steps = settle(case, make())
    for ours, theirs in zip(point.states, theory, strict=True):
        assert np.abs(ours - theirs[0]).max() < 10 * tolerance
    assert steps < 5 / tolerance**0.5
    _, alone, *_ = Batch(XP, make(), case.x[2:3], case.y[2:3]).settle(case.parameters)
    for all_, one in zip(point.states, alone.states, strict=True):
        np.testing.assert_allclose(all_[2:3], one, rtol=0, atol=1e-13)


def test_a_step_that_is_far_too_long_is_tried_again() -> None:
    case = make_case("linear", gain=30.0)
    point, _ = settle(case, learner_of(case, "state", Heun(), Adaptive(1e-4, 1e-6), 1e-3))
    exact = linear_system(case.energy, case.parameters, case.x, case.y).trajectory()
    for ours, theirs in zip(point.states, exact.states(exact.flow([1e-3])), strict=True):
        np.testing.assert_allclose(ours, theirs[0], rtol=1e-2, atol=1e-2 * np.abs(theirs).max())


@pytest.mark.exhaustive
@pytest.mark.parametrize("form", FORMS)
def test_jax_trains_as_numpy_does(form: str) -> None:
    case = make_case("tanh", widths=(5, 6, 6, 3), batch=8)
    learner = learner_of(case, form, Heun(), Adaptive(1e-3, 1e-6), 5.0)
    rows, rates = np.arange(16).reshape(2, 8) % 8, np.full(2, RATE)
    found: list[Any] = []
    for backend in (NumpyBackend(), JaxBackend()):
        trainer = backend.trainer(TrainingTask(learner, case.parameters, case.x, case.y, "float64"))
        updates = trainer.run(rows, rates)
        found.append((trainer.snapshot().parameters, updates.energy, updates.steps))
    assert_same(found[0], found[1], 1e-9)


WORDS = ["inference.method=state", "inference.solver=euler", "inference.step_size=0.1", "inference.t_end=2"]
SHORT = ["learning.epochs=1", "data.samples=256"]


def test_a_scenario_trains_in_continuous_time_and_says_how_many_steps_it_took(tmp_path: Any) -> None:
    target = tmp_path / "run.h5"
    with pcsim.run(pcsim.read_scenario("train-digits", [*WORDS, *SHORT]), path=target) as trace:
        assert trace.clock == "time"
        assert (trace.training["steps"] == 20).all()
        assert np.isfinite(trace.training["cosine"]).all()
        assert pcsim.verify(trace).agrees
    words = ["inference.method=state", "inference.steps=20", "inference.step_size=0.1"]
    with pcsim.run(pcsim.read_scenario("train-digits", [*words, *SHORT])) as plain:
        np.testing.assert_allclose(plain.training["loss"], trace_of(target)["loss"], rtol=1e-5)


def trace_of(path: Any) -> Any:
    with pcsim.open_trace(path) as trace:
        return {name: np.asarray(values) for name, values in trace.training.items()}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["inference.solver=tsit5"], r"\[learning\], which takes euler or heun"),
        (["learning.rule=incremental"], 'write rule = "pc", or steps and step_size'),
        (["inference.noise=0.1"], "draws no noise in continuous time"),
        (["backend.name=numba"], "numba has no kernels for inference.solver in training"),
    ],
)
def test_what_it_does_not_go_with_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        pcsim.run(pcsim.read_scenario("train-digits", [*WORDS, *SHORT, *words]))
