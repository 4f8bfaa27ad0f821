"""A function as a layer part: any JAX function of parameters and one sample, differentiated by JAX."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers import CurvedPart, Parameter, Saved, Second, Shape
from pcsim_jax.arrays import settings
from pcsim_jax.number.narrow import Narrow, rounded


@dataclass(frozen=True)
class Function(CurvedPart):
    """f(θ, s) of one sample s of a `shape`; `arrays` are the names and shapes of its parameters θ.

    Arrays of two or more axes are weights, which an initialiser draws, the last axis counting what comes out; others
    are biases. In bfloat16 it computes in float32 and rounds what it returns.
    """

    function: Callable[[Parameters, Array], Array]
    arrays: tuple[tuple[str, Shape], ...] = ()

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The arrays, weights and biases."""
        found: dict[str, Parameter] = {}
        for name, shape in self.arrays:
            *rows, columns = shape
            found[name] = Parameter(shape, "drawn" if rows else "bias", (prod(rows), columns))
        return found

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of what it makes; raises `ValueError` where it takes no such samples."""
        super().output_shape(shape)
        given = {name: jax.ShapeDtypeStruct(each, np.float32) for name, each in self.arrays}
        try:
            with settings():
                made: Any = jax.eval_shape(self.function, given, jax.ShapeDtypeStruct(shape, np.float32))
        except Exception as error:
            what = " ".join(f"{type(error).__name__}: {error}".split())
            raise ValueError(f"is a function that cannot take samples of shape {shape} ({what[:300]})") from error
        if not getattr(made, "shape", ()):
            raise ValueError("is a function that returns no array of a sample; it returns one with one axis or more")
        return tuple(made.shape)

    def value(self, xp: Namespace, parameters: Parameters, s: Array) -> Array:
        """Return f of every sample."""
        return _apply(self._batch, parameters, s)

    def pullback(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Array:
        """Return vᵀ ∂f/∂s."""
        return _apply(self._pulled, parameters, saved, v)

    def pushforward(self, xp: Namespace, parameters: Parameters, saved: Saved, ds: Array) -> Array:
        """Return ∂f/∂s Δs."""
        return _apply(self._pushed, parameters, saved, ds)

    def gradient(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Parameters:
        """Return vᵀ ∂f/∂θ summed over the batch."""
        return _apply(self._slopes, parameters, saved, v)

    def bend(self, xp: Namespace, parameters: Parameters, second: Second, v: Array, ds: Array) -> Array:
        """Return vᵀ ∂²f/∂s² Δs."""
        return _apply(self._turned, parameters, second, v, ds)

    def _batch(self, parameters: Parameters, s: Array) -> Array:
        return jax.vmap(self.function, in_axes=(None, 0))(parameters, s)

    def _pulled(self, parameters: Parameters, s: Array, v: Array) -> Array:
        s, v = _aligned(s, v)
        return jax.vjp(partial(self._batch, parameters), s)[1](v)[0]

    def _pushed(self, parameters: Parameters, s: Array, ds: Array) -> Array:
        s, ds = _aligned(s, ds)
        return jax.jvp(partial(self._batch, parameters), (s,), (ds,))[1]

    def _slopes(self, parameters: Parameters, s: Array, v: Array) -> Parameters:
        def of(own: Parameters) -> Array:
            return self._batch(own, s)

        return jax.vjp(of, parameters)[1](v)[0]

    def _turned(self, parameters: Parameters, s: Array, v: Array, ds: Array) -> Array:
        s, v, ds = _aligned(s, v, ds)

        def at(point: Array) -> Array:
            return self._pulled(parameters, point, v)

        return jax.jvp(at, (s,), (ds,))[1]


def _apply(function: Callable[..., Any], parameters: Parameters, *arrays: Array) -> Any:
    """Return a function of arrays in their own type: in float32 those that are narrow, on the host those of numpy."""
    first = arrays[0]
    if isinstance(first, np.ndarray):
        with settings():
            return jax.tree.map(partial(np.asarray, dtype=first.dtype), function(parameters, *arrays))
    plain = {name: _values(array) for name, array in parameters.items()}
    found = function(plain, *map(_values, arrays))
    if isinstance(first, Narrow):
        return jax.tree.map(rounded, found)
    return jax.tree.map(partial(jnp.asarray, dtype=first.dtype), found)


def _aligned(*arrays: Array) -> tuple[Array, ...]:
    """Return arrays with as many samples each: those of one sample stand for all."""
    samples = max(array.shape[0] for array in arrays)
    return tuple(jnp.broadcast_to(array, (samples, *array.shape[1:])) for array in arrays)


def _values(array: Array) -> Array:
    return array.values if isinstance(array, Narrow) else array
