"""The proximal objective and its minimiser, against updates that are carried out and closed forms."""

import numpy as np
import pytest

from pcsim.assemble import build_inference, build_network, load_inputs, read_dataset
from pcsim.engine.host import host_namespace
from pcsim.errors import UsageError
from pcsim.landscape.implicit import SampleLoss, explicit_step, implicit_step, second_order_step
from pcsim.landscape.inferred import inferred_step, usual_step
from pcsim.landscape.proximal import dense_chain, trial_updates
from pcsim.scenario import Scenario, read_scenario

XP = host_namespace()
SMALL = ("network.widths=[64, 3, 3, 10]",)


def scenario(*overrides: str) -> Scenario:
    return read_scenario("fig-proximal-steps", list(overrides))


def sample(*overrides: str, number: int = 0) -> SampleLoss:
    chosen = scenario(*overrides)
    network = build_network(chosen)
    inputs = load_inputs(chosen, network, read_dataset(chosen))
    loss, rows = build_inference(chosen, network).energy.loss, slice(number, number + 1)
    return SampleLoss(XP, dense_chain(network), loss, inputs.parameters, inputs.x[rows], inputs.y[rows])


@pytest.mark.parametrize("bias", ["true", "false"])
def test_a_trial_is_the_update_carried_out(bias: str) -> None:
    chosen = scenario(*SMALL, f"network.bias={bias}", "inference.loss=cross-entropy", "data.batch=3")
    network = build_network(chosen)
    inputs, chain = load_inputs(chosen, network, read_dataset(chosen)), dense_chain(network)
    loss, rates = build_inference(chosen, network).energy.loss, (0.1, 0.2, 0.3)
    rng = np.random.default_rng(0)
    states = [inputs.x, rng.normal(size=(3, 3)), rng.normal(size=(3, 3))]
    found = trial_updates(XP, chain, loss, inputs.parameters, rates, states, inputs.y)
    for k in range(3):
        h, squares = inputs.x[k], 0.0
        for i, (layer, own, rate) in enumerate(zip(chain, inputs.parameters, rates, strict=True)):
            below, now = (layer.activation.forward(XP, v)[0] for v in (states[i][k], h))
            b = own.get("b", np.zeros(layer.dense.n_out if layer.dense else 0))
            predicted = below @ own["W"] + b
            error = states[i + 1][k] - predicted if i < 2 else loss.error(XP, predicted[None], inputs.y[k : k + 1])[0]
            step = rate * np.outer(below, error)
            squares += np.sum(step**2) + (rate**2 * error @ error if "b" in own else 0.0)
            h = now @ (own["W"] + step) + b + (rate * error if "b" in own else 0.0)
        expected = loss.value(XP, h[None], inputs.y[k : k + 1])[0]
        np.testing.assert_allclose((found.loss[k], found.squared_size[k]), (expected, squares), rtol=1e-12)


@pytest.mark.parametrize("beta", [0.01, 100.0])
def test_one_layer_has_its_implicit_step_in_closed_form_and_so_does_inference(beta: float) -> None:
    chosen, rng = scenario("network.widths=[8, 3]", "network.activation=linear"), np.random.default_rng(0)
    network = build_network(chosen)
    loss, weights = build_inference(chosen, network).energy.loss, ({"W": rng.normal(size=(8, 3))},)
    one = SampleLoss(XP, dense_chain(network), loss, weights, rng.normal(size=(1, 8)), rng.normal(size=(1, 3)))
    x, error = one.x[0], one.y[0] - one.x[0] @ one.weights[0]["W"]
    closed = np.outer(x, error).ravel() / (1 / beta + x @ x)
    hessian = one.hessian(one.start)
    for found in (implicit_step(one, beta, hessian), inferred_step(one, beta, steps=1, step_size=0.5)):
        np.testing.assert_allclose(found, closed, rtol=1e-6, atol=1e-9 * np.abs(closed).max())


def test_the_step_of_theorem_2_is_of_second_order_and_the_explicit_one_of_first() -> None:
    one = sample(*SMALL)
    hessian, betas = one.hessian(one.start), (2.0**-9, 2.0**-10)
    off: dict[str, list[float]] = {"explicit": [], "second": []}
    for beta in betas:
        implicit = implicit_step(one, beta, hessian)
        for name, step in (("explicit", explicit_step(one, beta)), ("second", second_order_step(one, beta, hessian))):
            off[name].append(float(np.linalg.norm(step - implicit) / np.linalg.norm(implicit)))
    orders = {name: np.log2(values[0] / values[1]) for name, values in off.items()}
    assert orders == pytest.approx({"explicit": 1.0, "second": 2.0}, abs=0.2)


def test_inference_under_theorem_1_tends_to_the_gradient_and_more_so_in_the_last_layer() -> None:
    one = sample("network.widths=[64, 4, 10]")
    hessian, last = one.hessian(one.start), one.layout.places[-1]
    off: list[list[float]] = []
    for beta in (1e-2, 1e-3):
        implicit = implicit_step(one, beta, hessian)
        step = inferred_step(one, beta, steps=500, step_size=0.5)
        pairs = [(step[part], implicit[part]) for part in (slice(None), last)]
        off.append([float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in pairs])
    assert off[1][0] < 0.3 * off[0][0] < 0.1
    assert off[1][1] < 0.05 * off[0][1] < 0.01


def test_the_update_of_inference_lowers_the_loss() -> None:
    one = sample(*SMALL)
    step = usual_step(one, steps=200, step_size=0.1)
    assert one.value(one.start + step) < 0.5 * one.value(one.start)


def test_the_gradient_is_that_of_the_loss() -> None:
    one = sample(*SMALL, number=1)
    direction = np.random.default_rng(1).normal(size=one.layout.size)
    slope = (one.value(one.start + 1e-6 * direction) - one.value(one.start - 1e-6 * direction)) / 2e-6
    assert one.gradient(one.start) @ direction == pytest.approx(slope, rel=1e-7)


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (("network.bias=true",), "write bias = false in"),
        (("network.widths=[64, 64, 10]",), "4736 weights; proximal steps are found for up to 2000"),
        (("network.order=weights-first",), "chain of dense layers without skips, activations before weights"),
        (("network.skip=true",), "chain of dense layers without skips, activations before weights"),
    ],
)
def test_other_networks_are_refused_in_a_line(overrides: tuple[str, ...], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        sample(*overrides)
