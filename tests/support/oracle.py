"""The energy written a second time, in textbook lines on JAX: automatic differentiation is the oracle."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda p: p,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "relu": jax.nn.relu,
    "leaky_relu": lambda p: jax.nn.leaky_relu(p, 0.01),
    "gelu": lambda p: jax.nn.gelu(p, approximate=False),
}


@dataclass(frozen=True)
class Oracle:
    """The model page's equations for a dense chain, independent of the program's own layers."""

    activation: str
    activation_first: bool = False
    sigmoid_output: bool = False
    skip: int = 0
    scales: tuple[float, ...] = ()
    loss: str = "squared-error"
    precisions: tuple[float, ...] = ()
    decays: tuple[float, ...] = ()
    clamp_precision: float | None = None

    def prediction(self, parameters: Sequence[Any], states: Sequence[Any], x: Any, i: int) -> Any:
        last = len(parameters) - 1
        phi = ACTIVATIONS[self.activation]
        source = x if i == 0 else states[i - 1]
        weight, bias = parameters[i]["W"], parameters[i].get("b", 0.0)
        if self.activation_first:
            value = (source if i == 0 else phi(source)) @ weight + bias
        else:
            value = source @ weight + bias
            if i < last:
                value = phi(value)
            elif self.sigmoid_output:
                value = jax.nn.sigmoid(value)
        value = (self.scales[i] if self.scales else 1.0) * value
        if self.skip and self.skip <= i < last:
            value = value + states[i - self.skip]
        return value

    def output_loss(self, output: Any, y: Any) -> Any:
        if self.clamp_precision is not None:
            gamma = self.clamp_precision
            state = (y + gamma * output) / (1 + gamma)
            return jnp.sum((y - state) ** 2) / 2 + gamma / 2 * jnp.sum((state - output) ** 2)
        if self.loss == "squared-error":
            return jnp.sum((output - y) ** 2) / 2
        if self.loss == "cross-entropy":
            return -jnp.sum(y * jax.nn.log_softmax(output, axis=1))
        return jnp.sum(jnp.logaddexp(0.0, output) - y * output)

    def energy_of_states(self, states: Sequence[Any], parameters: Sequence[Any], x: Any, y: Any) -> Any:
        """Total energy over the batch as a function of states."""
        total = 0.0
        for i, state in enumerate(states):
            gamma = self.precisions[i] if self.precisions else 1.0
            delta = self.decays[i] if self.decays else 0.0
            error = state - self.prediction(parameters, states, x, i)
            total = total + gamma / 2 * jnp.sum(error**2) + delta / 2 * jnp.sum(state**2)
        return total + self.output_loss(self.prediction(parameters, states, x, len(states)), y)

    def states_of_errors(self, errors: Sequence[Any], parameters: Sequence[Any], x: Any) -> list[Any]:
        states: list[Any] = []
        for i, error in enumerate(errors):
            states.append(self.prediction(parameters, states, x, i) + error)
        return states

    def energy_of_errors(self, errors: Sequence[Any], parameters: Sequence[Any], x: Any, y: Any) -> Any:
        """Total energy over the batch as a function of errors."""
        return self.energy_of_states(self.states_of_errors(errors, parameters, x), parameters, x, y)
