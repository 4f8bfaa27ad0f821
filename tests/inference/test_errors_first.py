"""Steps of error optimization before those of state optimization: against both written in textbook lines on JAX."""

from dataclasses import replace
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pcsim_exact import ExactBackend
from pcsim_jax import JaxBackend

import pcsim
from pcsim.conformance.cases import settle_on
from pcsim.errors import UsageError
from pcsim.inference import ErrorOptimization, ErrorsFirst, Halving
from pcsim.inference.steppers import Adam, Clipped, GradientDescent, Momentum
from tests.support.cases import METHODS, Case, make_case, make_task, settle
from tests.support.covering import covering
from tests.support.learning import (
    CASES,
    RATE,
    STEP_SIZE,
    STEPS,
    assert_same,
    batches,
    combined,
    forward,
    learner_on,
    train,
)

pytestmark = pytest.mark.usefixtures("jax_in_double")

FIRST, SHARE = 3, 0.5
FORMS = ("state", "increment")


def errors_first(case: Case, form: str, steps: int = FIRST, rate: float = SHARE) -> ErrorsFirst:
    return ErrorsFirst(METHODS[form](case.energy), steps, rate)


def settled(case: Case, parameters: Any, x: Any, y: Any, clip: float) -> list[Any]:
    """Errors follow ∇_ε E of every sample and layer, cut to a norm, then states ∇_s E."""

    def cut(slope: Any) -> Any:
        norm = jnp.linalg.norm(slope, axis=1, keepdims=True)
        return slope * jnp.minimum(1.0, clip / jnp.where(norm > 0, norm, 1.0))

    def of_errors(_: int, errors: Any) -> Any:
        slopes = jax.grad(case.oracle.energy_of_errors)(errors, parameters, x, y)
        return combined(lambda e, g: e - SHARE * STEP_SIZE * cut(g), errors, slopes)

    def of_states(_: int, states: Any) -> Any:
        slopes = jax.grad(case.oracle.energy_of_states)(states, parameters, x, y)
        return combined(lambda s, g: s - STEP_SIZE * cut(g), states, slopes)

    start = [jnp.zeros_like(s) for s in forward(case, parameters, x)[0]]
    states = case.oracle.states_of_errors(jax.lax.fori_loop(0, FIRST, of_errors, start), parameters, x)
    return jax.lax.fori_loop(0, STEPS - FIRST, of_states, states)


@cache
def textbook(name: str) -> tuple[Case, Any]:
    """Return a case and its compiled update, of parameters, input, target and the norm to cut to."""
    case = make_case(widths=(5, 6, 6, 3), **CASES[name])

    @jax.jit
    def updated(parameters: Any, x: Any, y: Any, clip: float) -> Any:
        states = settled(case, parameters, x, y, clip)
        slopes = jax.grad(case.oracle.energy_of_states, argnums=1)(states, parameters, x, y)
        return combined(lambda w, g: w - RATE * g / len(x), parameters, slopes)

    return case, updated


@pytest.mark.exhaustive
@covering(name=list(CASES), form=FORMS, clip=(0.05, 1e9))
def test_ten_updates_follow_automatic_differentiation(name: str, form: str, clip: float) -> None:
    case, updated = textbook(name)
    parameters: Any = case.parameters
    stepper = Clipped(GradientDescent(STEP_SIZE), clip)
    learner = learner_on(errors_first(case, form), stepper=stepper)
    for (x, y), ours in zip(batches(case), train(case, learner), strict=True):
        parameters = updated(parameters, x, y, clip)
        assert_same(ours.parameters, parameters, 1e-9)


@pytest.mark.parametrize("stepper", [GradientDescent(0.1), Momentum(0.1), Adam(0.1)])
def test_with_nothing_but_errors_it_is_error_optimization_to_the_bit(stepper: Any) -> None:
    case = make_case("gelu", decays=True, skip=1)
    ours, _ = settle(make_task(case, errors_first(case, "increment", 6, 1.0), stepper=stepper, steps=5))
    theirs, _ = settle(make_task(case, ErrorOptimization(case.energy), stepper=stepper, steps=5))
    for a, b in zip((*ours.states, *ours.errors), (*theirs.states, *theirs.errors), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("form", FORMS)
def test_a_stepper_begins_anew_when_states_take_over(form: str) -> None:
    case = make_case("tanh")
    task = make_task(case, errors_first(case, form, 2, 1.0), stepper=Adam(0.05), steps=5)
    whole, _ = settle(task)
    there, _ = settle(make_task(case, ErrorOptimization(case.energy), stepper=Adam(0.05), steps=2))
    states = partial(make_task, case, METHODS[form](case.energy), stepper=Adam(0.05), steps=3)
    rest, _ = settle(states(initial=there.states[:-1]))
    for a, b in zip(whole.states, rest.states, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


def test_a_signal_is_everywhere_after_one_step() -> None:
    case = make_case("tanh", widths=(4, 5, 5, 5, 5, 5, 5, 3))
    ended, _ = settle(make_task(case, errors_first(case, "increment", 1), steps=4))
    assert ended.arrival_steps.tolist() == [1, 1, 1, 1, 1, 1, 0]


@pytest.mark.exhaustive
@pytest.mark.parametrize("form", FORMS)
def test_other_backends_agree(form: str) -> None:
    case = make_case("tanh", widths=(4, 5, 5, 3), batch=2)
    task = make_task(case, errors_first(case, form, 2), stepper=Clipped(Momentum(0.2), 0.05), steps=4)
    ours, rows = settle(task)
    for backend, precision in ((JaxBackend(), "float64"), (ExactBackend(), "exact")):
        theirs, other = settle_on(backend, replace(task, precision=precision))
        assert_same(rows.energy, other.energy, 1e-12)
        assert_same(ours.states, theirs.states, 1e-12)


def test_step_sizes_are_halved_in_both_phases() -> None:
    case = make_case("tanh", decays=True)
    inference = Halving(errors_first(case, "state", 4, 1.0))
    ended, rows = settle(make_task(case, inference, stepper=GradientDescent(4.0), steps=60))
    assert np.isfinite(rows.energy).all()
    assert rows.energy[-1].sum() < rows.energy[0].sum()
    assert ended.failure is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("inference.predictions=fixed",), "which errors would not change"),
        (("inference.step_size=auto",), "which is found for states alone"),
        (("backend.name=numba",), "numba has no kernels for inference.error_steps"),
        (("inference.method=error",), "inference.error_steps"),
    ],
)
def test_what_it_does_not_go_with_is_refused(words: tuple[str, ...], message: str) -> None:
    told = ["inference.form=standard", "inference.error_steps=2", *words]
    with pytest.raises(UsageError, match=message):
        pcsim.run(pcsim.read_scenario("signal-decay", told))


def test_incremental_learning_and_lonely_step_sizes_are_refused() -> None:
    words = ["inference.method=state", "learning.rule=incremental", "inference.error_steps=2"]
    with pytest.raises(UsageError, match='write error_steps = 0 or rule = "pc"'):
        pcsim.read_scenario("train-digits", words)
    with pytest.raises(UsageError, match=r"error_step_size is not used without inference\.error_steps"):
        pcsim.read_scenario("signal-decay", ["inference.error_step_size=0.1"])


def test_a_trace_is_simulated_again(tmp_path: Any) -> None:
    words = ["inference.error_steps=2", "inference.error_step_size=0.01", "inference.clip=0.1", "inference.steps=5"]
    target = tmp_path / "run.h5"
    pcsim.run(pcsim.read_scenario("signal-decay", words), path=target).close()
    with pcsim.open_trace(target) as trace:
        assert pcsim.verify(trace).agrees
        with pytest.raises(UsageError, match="no theory for a run with error_steps = 2"):
            pcsim.plot(trace, theory=True)
