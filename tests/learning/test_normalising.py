"""Meta-PCN: inference that descends the prediction errors of prediction errors, and weights of spectral norm one."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcsim.inference import FixedPredictions
from pcsim.learning import SGD, Normalised
from pcsim.learning.normalising import normalised
from tests.support.cases import XP, Case, make_case
from tests.support.learning import RATE, STEP_SIZE, STEPS, assert_same, batches, combined, forward, learner_on, train


def prediction_above(case: Case, parameters: Any, states: Any, x: Any, i: int, state: Any) -> Any:
    """Return what layer i + 1 predicts from another state of layer i."""
    return case.oracle.prediction(parameters, [*states[:i], state, *states[i + 1 :]], x, i + 1)


def meta_loss(case: Case, errors: Any, targets: Any, parameters: Any, x: Any, y: Any) -> Any:
    """J = ½ Σ ‖δ_l − g_l(δ*_{l+1})‖² with pullbacks at the forward pass, and δ* the errors as they are, held fixed.

    That of the output is −∂ℓ/∂ŷ at the forward pass.
    """
    states, output = forward(case, parameters, x)
    above = -jax.grad(case.oracle.output_loss)(output, y)
    total = 0.0
    for i in reversed(range(len(states))):
        _, pullback = jax.vjp(partial(prediction_above, case, parameters, states, x, i), states[i])
        total += ((errors[i] - pullback(above)[0]) ** 2).sum() / 2
        above = targets[i]
    return total


@pytest.mark.usefixtures("jax_in_double")
@pytest.mark.parametrize("options", [{}, {"activation": "gelu", "loss": "cross-entropy"}])
def test_ten_updates_follow_automatic_differentiation(options: dict[str, Any]) -> None:
    case = make_case(widths=(5, 6, 6, 3), **options)
    error_slopes = jax.jit(jax.grad(partial(meta_loss, case)))

    def local_loss(weights: Any, settled: Any, parameters: Any, x: Any, y: Any) -> Any:
        states, _ = forward(case, parameters, x)
        predictions = [case.oracle.prediction(weights, states, x, i) for i in range(len(states) + 1)]
        return case.oracle.output_loss(predictions[-1], y) + sum(
            ((s - p) ** 2).sum() / 2 for s, p in zip(settled, predictions, strict=False)
        )

    weight_slopes = jax.jit(jax.grad(local_loss))
    parameters: Any = case.parameters
    learner = learner_on(FixedPredictions(case.energy), optimizer=Normalised(SGD()))
    for (x, y), ours in zip(batches(case), train(case, learner), strict=True):
        states = forward(case, parameters, x)[0]
        errors = [jnp.zeros_like(s) for s in states]
        for _ in range(STEPS):
            errors = combined(lambda e, g: e - STEP_SIZE * g, errors, error_slopes(errors, errors, parameters, x, y))
        slopes = weight_slopes(parameters, combined(lambda s, e: s + e, states, errors), parameters, x, y)
        moved = combined(lambda w, g, x=x: w - RATE * g / len(x), parameters, slopes)
        parameters = tuple(
            {"W": own["W"] / (sum(np.sqrt(n) for n in own["W"].shape) * jnp.std(own["W"])), "b": own["b"]}
            for own in moved
        )
        assert_same(ours.parameters, parameters, 1e-9)


def test_the_spectral_norm_of_large_random_weights_becomes_one() -> None:
    rng = np.random.default_rng(0)
    for shape, scale in (((300, 200), 7.0), ((3, 3, 40, 60), 1e-12)):
        found = normalised(XP, scale * rng.standard_normal(shape) + 0.0)
        assert np.linalg.norm(found.reshape(-1, shape[-1]), 2) == pytest.approx(1.0, abs=0.05)
    single = normalised(XP, rng.standard_normal((5, 4)).astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_array_equal(normalised(XP, np.full((2, 2), 3.0)), 3.0)
