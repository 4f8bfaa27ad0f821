"""Auxiliary neurons: a skip that passes a state of its own for every layer it goes beside."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pcsim
from pcsim.scenario.layers import LayerTable, expanded
from tests.support.scenario_files import Files
from tests.support.training_files import only_line

UPDATES, STEPS, STEP_SIZE, RATE = 10, 6, 0.1, 0.05
TEXT = f"""
[network]
input = 64
activation = "tanh"
layers = [
    {{ dense = 12 }},
    {{ dense = 12 }},
    {{ dense = 12, add = {{ back = 2, auxiliary = true }} }},
    {{ dense = 10, activation = "linear" }},
]
[data]
name = "digits"
batch = 32
[inference]
method = "state"
loss = "cross-entropy"
steps = {STEPS}
step_size = {STEP_SIZE}
[backend]
precision = "float64"
"""
LEARNING = f"""
[learning]
optimizer = "sgd"
lr = {RATE}
epochs = {UPDATES}
batch = 32
"""
PLAIN = TEXT.replace("{ back = 2, auxiliary = true }", "2")


def test_each_way_down_is_as_long(files: Files):
    with pcsim.run(files.read(TEXT)) as trace:
        assert trace.arrival_steps.tolist() == [3, 2, 2, 1, 0]
    with pcsim.run(files.read(PLAIN)) as trace:
        assert trace.arrival_steps.tolist() == [2, 2, 1, 0]


def test_the_feedforward_pass_is_that_of_the_skip_alone(files: Files):
    with pcsim.run(files.read(TEXT)) as ours, pcsim.run(files.read(PLAIN)) as theirs:
        assert ours.energy[0][[0, 1, 3, 4]].tolist() == theirs.energy[0].tolist()
        assert ours.energy[0][2] == 0.0


def test_states_beside_layers_that_are_skipped_and_skips_over_skips():
    add: Any = {"back": 3, "auxiliary": True}
    table = [LayerTable(dense=4, repeat=3), LayerTable(dense=4, add=add), LayerTable(dense=4, add=add, repeat=2)]
    found = [(entry.words is None, entry.reads, entry.adds) for entry in expanded(tuple(table))]
    layers = [(False, -1, -1), (False, 0, -1), (False, 1, -1)]
    first = [(True, 0, -1), (True, 3, -1), (False, 2, 4)]
    second = [(True, 1, -1), (True, 6, -1), (False, 5, 7)]
    third = [(True, 2, -1), (True, 9, -1), (False, 8, 10)]
    assert found == [*layers, *first, *second, *third]


def test_a_skip_that_reaches_too_far_says_how_far_one_reaches(files: Files, capsys: pytest.CaptureFixture[str]):
    files.write(TEXT.replace("back = 2", "back = 3"))
    line = only_line(capsys, ["check", "s.toml"], code=2)
    assert line.endswith("layer 2 adds what is 3 layers below it, which is no state: add = 1 to 2 reach one")


def energy(states: Any, w: Any, x: Any, y: Any) -> Any:
    """Return the energy of the batch, spelt out: `beside` is what the skip passes."""
    s0, s1, beside, s3 = states
    output = s3 @ w["W_4"] + w["b_4"]
    predicted = [
        jnp.tanh(x @ w["W_0"] + w["b_0"]),
        jnp.tanh(s0 @ w["W_1"] + w["b_1"]),
        s0,
        jnp.tanh(s1 @ w["W_3"] + w["b_3"] + beside),
    ]
    squares = sum(((s - p) ** 2).sum() for s, p in zip(states, predicted, strict=True))
    return squares / 2 - (y * jax.nn.log_softmax(output)).sum()


def forward(w: Any, x: Any) -> list[Any]:
    s0 = jnp.tanh(x @ w["W_0"] + w["b_0"])
    s1 = jnp.tanh(s0 @ w["W_1"] + w["b_1"])
    return [s0, s1, s0, jnp.tanh(s1 @ w["W_3"] + w["b_3"] + s0)]


@pytest.mark.exhaustive
@pytest.mark.usefixtures("jax_in_double")
@pytest.mark.parametrize("backend", ["numpy", "jax", "numba"])
def test_ten_updates_are_those_of_automatic_differentiation(files: Files, backend: str):
    with pcsim.run(files.read(TEXT + LEARNING, "data.samples=32"), backend=backend) as trace:
        w: Any = {name: jnp.asarray(values) for name, values in trace.network.items()}
        x, y = (jnp.asarray(trace.array(f"data/{name}")) for name in ("x", "y"))
        of_states, of_weights = (jax.jit(jax.grad(energy, argnums=k)) for k in (0, 1))
        for _ in range(UPDATES):
            states = forward(w, x)
            for _ in range(STEPS):
                slopes = of_states(states, w, x, y)
                states = [s - STEP_SIZE * slope for s, slope in zip(states, slopes, strict=True)]
            slopes = of_weights(states, w, x, y)
            w = {name: value - RATE * slopes[name] / len(x) for name, value in w.items()}
        for name, value in w.items():
            np.testing.assert_allclose(trace.trained[name], value, rtol=1e-9, atol=1e-12)
        assert "silent_layers" not in trace.attributes  # those without weights do not count
        assert pcsim.verify(trace).agrees
