"""What the JAX backend holds to beyond the conformance suite: bits, what is compiled when, no leaking setting."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from pcsim_jax import JaxBackend
from pcsim_jax.arrays import arguments
from pcsim_jax.gradient_step import gradient_step

import pcsim
from pcsim.conformance.agreement import RECORD, assert_close, present
from pcsim.conformance.cases import settle_on
from pcsim.engine.backend import Settled, Task
from pcsim.inference.steppers import GradientDescent
from pcsim.trace import Block
from tests.support.cases import LOSSES, METHODS, Case, make_case, make_task, settle
from tests.support.compilations import compilations

pytestmark = pytest.mark.xla


def jax_settle(task: Task) -> tuple[Settled, Block]:
    return settle_on(JaxBackend(), task)


NETWORKS: dict[str, dict[str, Any]] = {
    "weights-first": {},
    "mupc-skips": {"activation_first": True, "mupc": True, "skip": 2, "precisions": True, "decays": True},
}


def some(word: str) -> Any:
    """A word that is left to the exhaustive run: a compilation takes a second."""
    return pytest.param(word, marks=pytest.mark.exhaustive)


def small(activation: str, **options: Any) -> Case:
    return make_case(activation, widths=(4, 5, 5, 5, 5, 3), batch=3, **options)


@pytest.mark.parametrize("activation", ["gelu", some("tanh"), some("sigmoid")])
@pytest.mark.parametrize("network", ["weights-first", some("mupc-skips")])
def test_exact_zeros_at_the_start_in_float32(activation: str, network: str) -> None:
    # Where XLA contracts s − a·b, layers that no signal has reached get errors of half an ulp.
    task = make_task(small(activation, **NETWORKS[network]), record=("energy",), steps=3, precision="float32")
    (ours, rows), (theirs, reference) = jax_settle(task), settle(task)
    np.testing.assert_array_equal(ours.arrival_steps, theirs.arrival_steps)
    np.testing.assert_array_equal(present(rows.energy) == 0, present(reference.energy) == 0)
    # The standard form's errors are good to an ulp of the states.
    np.testing.assert_allclose(present(rows.energy), present(reference.energy), rtol=1e-3)


@pytest.mark.parametrize("precision", ["float64", some("float32")])
def test_exact_zeros_where_a_pool_averages_what_an_activation_gave(precision: str) -> None:
    # Where XLA contracts the pool's sum with the activation's last product, the pooled state has an error of its own.
    pooled = {"conv": 4, "kernel": 3, "padding": 1, "pool": 2, "pool_kind": "average"}
    scenario = {
        "network": {
            "input": [8, 8, 1],
            "activation": "gelu",
            "init": "pytorch",
            "layers": [pooled, pooled, {"conv": 4, "kernel": 3, "padding": 1}, {"dense": 10, "activation": "linear"}],
        },
        "data": {"name": "digits", "batch": 8},
        "inference": {"method": "state", "loss": "squared-error", "steps": 3, "step_size": 0.1},
    }
    trace = pcsim.run(scenario, backend="jax", precision=precision)
    assert trace.arrival_steps.tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize("method", [some("increment"), some("state"), some("error")])
def test_bfloat16_gives_numpys_bits(method: str) -> None:
    case = make_case("gelu", widths=(4, *(16,) * 6, 3), loss="cross-entropy", mupc=True, skip=1)
    task = make_task(
        case, METHODS[method](case.energy), stepper=GradientDescent(0.3), record=RECORD, steps=8, precision="bfloat16"
    )
    (ours, rows), (theirs, reference) = jax_settle(task), settle(task)
    np.testing.assert_array_equal(ours.arrival_steps, theirs.arrival_steps)
    for a, b in zip(rows.errors or (), reference.errors or (), strict=True):
        # Products are summed in another order, which now and then rounds to the neighbour.
        assert (a == b).mean() > 0.95
    np.testing.assert_allclose(present(rows.energy), present(reference.energy), rtol=0.05)


@pytest.mark.parametrize("loss", ["cross-entropy", *(some(loss) for loss in LOSSES if loss != "cross-entropy")])
def test_bfloat16_computes_every_loss_in_the_wide_type(loss: str) -> None:
    case = small("tanh", loss=loss)
    task = make_task(case, record=("energy", "grad_norm"), steps=3, precision="bfloat16")
    (_, rows), (_, reference) = jax_settle(task), settle(task)
    np.testing.assert_allclose(present(rows.energy)[:, -1], present(reference.energy)[:, -1], rtol=1e-3)


def test_other_numbers_of_steps_compile_nothing() -> None:
    case = small("relu")
    jax_settle(make_task(case, steps=4))
    with compilations() as compiled:
        jax_settle(make_task(case, steps=9, recorded=(0, 3)))
    assert not compiled


@pytest.mark.parametrize("method", ["error", some("state"), some("increment")])
def test_the_compiled_training_step_has_the_gradient_of_a_run(method: str) -> None:
    case = small("tanh")
    task = make_task(case, METHODS[method](case.energy), steps=5, record=("energy", "weight_gradient"))
    theirs, rows = settle(task)
    step = gradient_step(task.inference, task.descent.stepper, "float64")
    parameters, x, y, _ = arguments(task)
    step(parameters, x, y, 2)
    with compilations() as compiled:
        ours = step(parameters, x, y, 5)
    assert not compiled
    assert_close("energies", np.asarray(ours.layerwise).mean(axis=1), present(rows.energy)[-1], 1e-10)
    assert np.asarray(ours.has_signal).all()
    for a, b in zip(ours.gradient, theirs.gradient, strict=True):
        for key in b:
            assert_close(key, np.asarray(a[key]), b[key], 1e-10)


@pytest.mark.exhaustive
def test_float64_stays_in_the_run() -> None:
    program = """
import jax, jax.numpy as jnp, numpy as np, pcsim
from pcsim_jax.arrays import to_run
assert to_run(np.zeros(2), "float64").dtype == jnp.float64
seen = []
pcsim.run(pcsim.read_scenario("sequential", ["inference.steps=2"]), backend="jax", precision="float64",
          progress=lambda step, end: seen.append(jnp.zeros(2).dtype)).close()
assert set(map(str, seen)) == {"float32"}
with pcsim.run(pcsim.read_scenario("sequential", ["inference.steps=2"]), backend="jax", precision="float64") as trace:
    assert trace.final_states[0].dtype == "float64"
assert not jax.config.jax_enable_x64
assert jnp.zeros(2).dtype == jnp.float32
"""
    subprocess.run([sys.executable, "-c", program], check=True)
