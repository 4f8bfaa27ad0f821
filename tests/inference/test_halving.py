"""Step sizes that are halved, sample by sample, where the energy has risen."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest
from pcsim_exact import ExactBackend
from pcsim_jax import JaxBackend
from pcsim_numpy import NumpyBackend

import pcsim
from pcsim.engine.backend import Settled, Task
from pcsim.engine.free_input import FreeInputBackend
from pcsim.errors import UsageError
from pcsim.inference import Halving
from pcsim.inference.steppers import Adam, Decaying, GradientDescent, Momentum
from pcsim.inference.stopping import StopRule
from pcsim.learning import SGD, AfterEveryStep, AtTheEnd, Batch, Learner, fresh
from pcsim.model.arithmetic import Arithmetic
from pcsim.recorded.local_update import learn_from
from tests.support.cases import METHODS, XP, Case, join, make_case, make_task, settle
from tests.support.covering import covering

pytestmark = pytest.mark.usefixtures("jax_in_double")

MOVING = [
    name
    for name in METHODS
    if name not in ("backprop", "fixed", "precision-weighted", "augmented-lagrangian", "equilibrium-propagation")
]
TOO_LARGE = 4.0


def halving(case: Case, method: str = "state") -> Halving:
    return Halving(METHODS[method](case.energy))


def total(case: Case, rows: Any) -> Any:
    """Return the energy of every step and sample, activity decay included, from what was recorded."""
    energy = rows.energy_per_sample.sum(axis=1)
    for delta, states in zip(case.energy.decays, rows.states, strict=True):
        energy = energy + 0.5 * delta * (states**2).sum(axis=2)
    return energy


def test_it_is_gradient_descent_with_half_the_step_size_after_every_rise() -> None:
    case = make_case("tanh", decays=True, precisions=True)
    record = ("states", "energy_per_sample")
    _, rows = settle(make_task(case, halving(case), stepper=GradientDescent(1.0), steps=30, record=record))
    energy = total(case, rows)
    size, states = np.ones(len(case.x)), [s[0] for s in rows.states]
    for t in range(30):
        size *= np.where(t > 0 and energy[t] > energy[t - 1], 0.5, 1.0) if t else 1.0
        slopes = jax.grad(case.oracle.energy_of_states)(states, case.parameters, case.x, case.y)
        states = [s - size[:, None] * np.asarray(g) for s, g in zip(states, slopes, strict=True)]
        for ours, theirs in zip(rows.states, states, strict=True):
            np.testing.assert_allclose(ours[t + 1], theirs, rtol=1e-9, atol=1e-9)
    assert (size < 1).any()


@pytest.mark.parametrize("method", MOVING)
def test_a_step_size_that_diverges_converges(method: str) -> None:
    case = make_case("linear")
    task = make_task(case, METHODS[method](case.energy), stepper=GradientDescent(TOO_LARGE), steps=200)
    assert settle(task)[0].failure is not None
    settled, rows = settle(make_task(case, halving(case, method), stepper=GradientDescent(TOO_LARGE), steps=200))
    assert settled.failure is None
    assert rows.grad_norm[-1, :-1].max() < 1e-2 * rows.grad_norm[:, :-1].max()


@covering(method=MOVING, stepper=[GradientDescent(0.05), Decaying(GradientDescent(0.05), 0.5), Momentum(0.01, 0.5)])
def test_where_no_energy_rises_every_bit_is_the_same(method: str, stepper: Any) -> None:
    case = make_case("gelu", decays=True)
    for precision in ("bfloat16", "float32", "float64"):
        options: dict[str, Any] = {"stepper": stepper, "steps": 8, "precision": precision, "record": ("states",)}
        _, plain = settle(make_task(case, METHODS[method](case.energy), **options))
        _, rows = settle(make_task(case, halving(case, method), **options))
        for a, b in zip(plain.states, rows.states, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("method", MOVING)
def test_a_sample_alone_moves_as_it_does_among_others(method: str) -> None:
    case = make_case("tanh", batch=5)
    options: dict[str, Any] = {"stepper": Adam(0.4), "steps": 25, "record": ("energy_per_sample",)}
    _, together = settle(make_task(case, halving(case, method), **options))
    for b in range(5):
        one = slice(b, b + 1)
        _, alone = settle(make_task(case, halving(case, method), x=case.x[one], y=case.y[one], **options))
        a, c = alone.energy_per_sample[..., 0], together.energy_per_sample[..., b]
        np.testing.assert_allclose(a, c, rtol=1e-9, atol=1e-12)


def jax_settle(task: Task) -> tuple[Settled, Any]:
    blocks: list[Any] = []
    return JaxBackend().settle(task, blocks.append, lambda clock: False), join(blocks)


def test_bfloat16_on_jax_and_stochastic_rounding_on_numpy_converge_too() -> None:
    case = make_case("linear")
    task = make_task(case, halving(case), stepper=GradientDescent(TOO_LARGE), steps=40, precision="bfloat16")
    for settled, rows in (jax_settle(task), settle(task)):
        assert settled.failure is None
        assert rows.energy[-1].sum() < rows.energy[0].sum()
    noisy = make_task(case, halving(case), stepper=GradientDescent(TOO_LARGE), steps=40, precision="float16")
    settled, rows = settle(replace(noisy, arithmetic=Arithmetic("stochastic", "float32", 1)))
    assert settled.failure is None
    assert np.isfinite(rows.energy).all()


@pytest.mark.parametrize("rule", [AtTheEnd(), AfterEveryStep()])
def test_it_goes_with_learning(rule: Any) -> None:
    case = make_case("linear")
    learner = Learner(halving(case), GradientDescent(TOO_LARGE), 60, SGD(), rule)
    memory = fresh(XP, learner, case.parameters)
    learned = Batch(XP, learner, case.x, case.y).learn(case.parameters, memory, 1e-3, 1)
    assert np.isfinite(learned.layerwise).all()
    assert learned.layerwise.sum() < 100 * len(case.x)


def test_the_exact_backend_refuses_it_in_one_line() -> None:
    case = make_case()
    with pytest.raises(UsageError, match=r"no inference.step_halving: whether an energy has risen"):
        ExactBackend().estimate(make_task(case, halving(case), precision="exact"))


def test_an_update_can_be_learned_from_a_trace_of_halved_steps() -> None:
    changes = ("inference.form=increment", "inference.step_halving=true", "inference.step_size=0.9")
    with pcsim.run(pcsim.read_scenario("signal-decay", changes)) as trace:
        gradient = learn_from(trace).gradient
        np.testing.assert_array_equal(gradient["b_19"], -trace.final_errors[19].astype(np.float64).mean(axis=0))


@pytest.mark.parametrize("method", ["state", "increment", "error"])
def test_a_free_input_is_halved_too_and_counts_as_a_layer_for_arrival(method: str) -> None:
    case = make_case("linear")
    task = make_task(case, halving(case, method), stepper=GradientDescent(TOO_LARGE), steps=200)
    settled = FreeInputBackend(NumpyBackend()).settle(task, lambda block: None, lambda clock: False)
    assert settled.failure is None
    assert settled.input is not None
    assert (settled.input != case.x).any()
    arrives = replace(task, motion=replace(task.descent, stepper=GradientDescent(0.1)), stop=StopRule(arrival=True))
    settled = FreeInputBackend(NumpyBackend()).settle(arrives, lambda block: None, lambda clock: False)
    assert settled.steps_taken == (1 if method == "error" else 5)
