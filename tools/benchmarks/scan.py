"""The baseline: state optimization as one writes it by hand in JAX, a `lax.scan` over steps with unrolled layers.

Nothing but the steps and every layer's energy: no arrival steps, no checks, energies summed in float32.
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from pcsim.engine.backend import Task

Slopes = Callable[[Any, Any], Any]
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Slopes]] = {
    "tanh": (jnp.tanh, lambda value, _: 1.0 - value * value),
    "relu": (jax.nn.relu, lambda _, p: (p > 0).astype(p.dtype)),
}


def scan_seconds(task: Task, activation: str) -> Callable[[], float]:
    """Return a function that runs the task's steps and returns the seconds they took, compiled beforehand."""
    weights = [jnp.asarray(layer["W"], jnp.float32) for layer in task.parameters]
    biases = [jnp.asarray(layer["b"], jnp.float32) for layer in task.parameters]
    x, y = jnp.asarray(task.x, jnp.float32), jnp.asarray(task.y, jnp.float32)
    states = _feedforward(weights, biases, x, FUNCTIONS[activation][0])
    run = jax.jit(_descent, static_argnums=(5, 6))
    jax.block_until_ready(run(weights, biases, x, y, states, activation, task.descent.steps))

    def seconds() -> float:
        start = time.perf_counter()
        jax.block_until_ready(run(weights, biases, x, y, states, activation, task.descent.steps))
        return time.perf_counter() - start

    return seconds


def _feedforward(weights: list[Any], biases: list[Any], x: Any, function: Callable[[Any], Any]) -> list[Any]:
    states = [x]
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        states.append(function(states[-1] @ w + b))
    return states[1:]


def _descent(
    weights: list[Any], biases: list[Any], x: Any, y: Any, states: list[Any], activation: str, steps: int
) -> Any:
    function, slope = FUNCTIONS[activation]
    first = function(x @ weights[0] + biases[0])
    last = len(states)

    def step(states: list[Any], _: None) -> tuple[list[Any], Any]:
        errors, slopes = [states[0] - first], [None]
        for i in range(1, last):
            p = states[i - 1] @ weights[i] + biases[i]
            value = function(p)
            errors.append(states[i] - value)
            slopes.append(slope(value, p))
        logits = states[-1] @ weights[-1] + biases[-1]
        errors.append(y - jax.nn.softmax(logits))
        energies = [0.5 * jnp.sum(e * e, axis=1) for e in errors[:-1]]
        energies.append(-jnp.sum(y * jax.nn.log_softmax(logits), axis=1))
        moved: list[Any] = []
        for i in range(last):
            above = errors[i + 1] if i + 1 == last else errors[i + 1] * slopes[i + 1]
            moved.append(states[i] - 0.1 * (errors[i] - above @ weights[i + 1].T))
        return moved, jnp.stack(energies)

    return jax.lax.scan(step, states, None, length=steps)
