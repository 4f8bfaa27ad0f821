"""EO training by hand in JAX: the textbook's lines with automatic differentiation, all of an update in one call."""

# JAX's trees have no types that a checker could follow.
# pyright: basic

import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.convolutional import RATE, STEP_SIZE, STEPS, described
from pcsim.learning.trainer import TrainingTask

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "gelu": lambda p: jax.nn.gelu(p, approximate=False),
    "linear": lambda p: p,
}
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


def update_by_hand(task: TrainingTask) -> tuple[Callable[[], float], Any]:
    """Return what to call for the seconds of an update, and the layers' energies after the first."""
    layers = described(task)
    weights = [{k: jnp.asarray(v, jnp.float32) for k, v in own.items()} for own in task.parameters]
    x, y = jnp.asarray(task.x, jnp.float32), jnp.asarray(task.y, jnp.float32)
    nothing = jax.tree.map(jnp.zeros_like, weights)
    state = [weights, nothing, nothing, jnp.zeros(())]
    update = jax.jit(lambda *state: _update(layers, x, y, *state))
    *state, energy = update(*state)

    def seconds() -> float:
        start = time.perf_counter()
        *after, _ = jax.block_until_ready(update(*state))
        state[:] = after
        return time.perf_counter() - start

    return seconds, np.asarray(energy)


def _update(layers: Sequence[Any], x: Any, y: Any, weights: Any, first: Any, second: Any, count: Any) -> Any:
    held = _statistics(layers, weights, x)

    def energy(errors: Any) -> Any:
        return _energies(layers, weights, held, x, y, errors).sum() * len(x)

    states = _states(layers, weights, held, x, None)
    errors = [jnp.zeros_like(s) for s in states[:-1]]
    errors = jax.lax.fori_loop(
        0, STEPS, lambda _, e: jax.tree.map(lambda e, g: e - STEP_SIZE * g, e, jax.grad(energy)(e)), errors
    )
    states = _states(layers, weights, held, x, errors)

    def local(weights: Any) -> Any:
        """Every layer's energy with the states as they are."""
        total = 0.0
        for i, layer in enumerate(layers):
            made = _layer(layer, weights[i], held[i], lambda j: x if j < 0 else states[j])[0]
            total += _loss(made, y).sum() if i == len(layers) - 1 else 0.5 * jnp.sum((states[i] - made) ** 2)
        return total / len(x)

    gradient, count = jax.grad(local)(weights), count + 1
    layerwise = _energies(layers, weights, held, x, y, errors)
    first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, first, gradient)
    second = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, second, gradient)
    rate = RATE / (1 - BETA1**count)
    weights = jax.tree.map(
        lambda w, m, v: w - rate * m / (jnp.sqrt(v / (1 - BETA2**count)) + EPS), weights, first, second
    )
    return weights, first, second, count, layerwise


def _states(layers: Sequence[Any], weights: Any, held: Any, x: Any, errors: Any) -> list[Any]:
    states: list[Any] = []
    for i, layer in enumerate(layers):
        made = _layer(layer, weights[i], held[i], lambda j: x if j < 0 else states[j])[0]
        states.append(made if errors is None or i == len(layers) - 1 else made + errors[i])
    return states


def _energies(layers: Sequence[Any], weights: Any, held: Any, x: Any, y: Any, errors: Any) -> Any:
    output = _states(layers, weights, held, x, errors)[-1]
    squares = [0.5 * jnp.sum(e**2) / len(x) for e in errors]
    return jnp.stack([*squares, _loss(output, y).mean()])


def _loss(output: Any, y: Any) -> Any:
    return -jnp.sum(y * jax.nn.log_softmax(output), axis=1)


def _statistics(layers: Sequence[Any], weights: Any, x: Any) -> Any:
    """Return means and variances of every norm in a feedforward pass that uses them."""
    states: list[Any] = []
    found: list[Any] = []
    for i, layer in enumerate(layers):
        made, seen = _layer(layer, weights[i], None, lambda j: x if j < 0 else states[j])
        states.append(made)
        found.append(seen)
    return found


def _layer(layer: Any, weights: Any, held: Any, read: Callable[[int], Any]) -> tuple[Any, Any]:
    total, seen = 0.0, {}
    for branch in layer["branches"]:
        s, own = read(branch["source"]), {k: weights.get(branch["prefix"] + k) for k in ("W", "b", "gamma", "beta")}
        if "conv" in branch:
            _, stride, padding = branch["conv"]
            pads, numbers = [(padding, padding)] * 2, ("NHWC", "HWIO", "NHWC")
            s = jax.lax.conv_general_dilated(s, own["W"], (stride, stride), pads, dimension_numbers=numbers)
        elif branch["dense"]:
            s = s.reshape(len(s), -1) @ own["W"]
        s = s if own["b"] is None else s + own["b"]
        if branch["norm"]:
            if held is None:
                seen[branch["prefix"]] = s.mean((0, 1, 2)), s.var((0, 1, 2))
            mean, variance = (seen if held is None else held)[branch["prefix"]]
            s = own["gamma"] * (s - mean) / jnp.sqrt(variance + 1e-5) + own["beta"]
        total += s
    made = ACTIVATIONS[layer["activation"]](total)
    if "pool" in layer:
        window = (1, *layer["pool"], 1)
        if layer["largest"]:
            made = jax.lax.reduce_window(made, -jnp.inf, jax.lax.max, window, window, "VALID")
        else:
            made = jax.lax.reduce_window(made, 0.0, jax.lax.add, window, window, "VALID") / np.prod(window)
    return made, seen
