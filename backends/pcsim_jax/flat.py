"""Variables in one flat vector on JAX: solvers compile a few operations a step instead of some a layer."""

import jax.numpy as jnp
import numpy as np

from pcsim.model.arrays import Array
from pcsim.model.flat import Flat


def rms(layout: Flat, flat: Array) -> Array:
    """Return the root mean square of every variable of (…, size) in float64, (…, variables); inf where not finite.

    Right also where squares would underflow.
    """
    wide = flat.astype(jnp.float64)
    largest = jnp.abs(wide)
    top = jnp.stack([jnp.max(largest[..., place], axis=-1) for place in layout.places], axis=-1)
    scaled = wide / spread(layout, jnp.where(top > 0.0, top, 1.0))
    squares = scaled * scaled
    means = jnp.stack([jnp.mean(squares[..., place], axis=-1) for place in layout.places], axis=-1)
    return jnp.where(jnp.isfinite(top), top * jnp.sqrt(means), jnp.inf)


def spread(layout: Flat, values: Array) -> Array:
    """Return (…, variables), each value repeated for every unit of its variable."""
    owner = np.repeat(np.arange(len(layout.sizes)), layout.sizes)
    return jnp.take(values, owner, axis=-1)
