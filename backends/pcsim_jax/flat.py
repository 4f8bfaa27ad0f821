"""The variables of a sample as one array: solvers then compile a few operations a step instead of some a layer."""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from math import prod

import jax.numpy as jnp
import numpy as np

from pcsim.inference import IncrementFlow, VectorField
from pcsim.model.arrays import Array
from pcsim.model.energy import States


@dataclass(frozen=True)
class Joined:
    """How variables of given shapes lie one after another in the last axis of an array (…, units)."""

    shapes: tuple[tuple[int, ...], ...]

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Units of every variable."""
        return tuple(prod(shape) for shape in self.shapes)

    def join(self, variables: States) -> Array:
        """Return variables (batch, *units) as one array (batch, units)."""
        return jnp.concatenate([v.reshape(len(v), -1) for v in variables], axis=1)

    def split(self, joined: Array) -> States:
        """Return the variables of (batch, units)."""
        parts = self._parts(joined)
        return tuple(part.reshape(len(joined), *shape) for part, shape in zip(parts, self.shapes, strict=True))

    def rms(self, joined: Array) -> Array:
        """Return the root mean square of every variable in float64, (…, variables); inf where one is not finite.

        Right also where squares would underflow.
        """
        wide = joined.astype(jnp.float64)
        top = jnp.stack([jnp.max(part, axis=-1) for part in self._parts(jnp.abs(wide))], axis=-1)
        scaled = wide / self.spread(jnp.where(top > 0.0, top, 1.0))
        means = jnp.stack([jnp.mean(part, axis=-1) for part in self._parts(scaled * scaled)], axis=-1)
        return jnp.where(jnp.isfinite(top), top * jnp.sqrt(means), jnp.inf)

    def spread(self, values: Array) -> Array:
        """Return (…, variables), each value repeated for every unit of its variable."""
        owner = np.repeat(np.arange(len(self.sizes)), self.sizes)
        return jnp.take(values, owner, axis=-1)

    def _parts(self, joined: Array) -> list[Array]:
        edges = [0, *accumulate(self.sizes)]
        return [joined[..., a:b] for a, b in pairwise(edges)]


def joined(field: VectorField) -> Joined:
    """Return how the variables of a flow lie in one array."""
    shapes = field.energy.network.state_shapes
    return Joined(shapes * 2 if isinstance(field, IncrementFlow) else shapes)
