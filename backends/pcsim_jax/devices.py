"""Devices that share the samples of a batch: each learns from its own, and one sum over all averages the gradients."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from pcsim.model.arrays import Array, Parameters
from pcsim.typing import NDArray

AXIS = "samples"
WHOLE = PartitionSpec()


def shared(axis: int = 0) -> PartitionSpec:
    """Return that every device has its share along an axis, the samples of a batch."""
    return PartitionSpec(*(None,) * axis, AXIS)


@dataclass(frozen=True)
class Devices:
    """Several devices in a row; everything but the samples of a batch is on all of them alike."""

    mesh: Mesh

    @classmethod
    def first(cls, count: int) -> Self:
        """Return so many devices, as many of every process."""
        processes = range(jax.process_count())
        each = [jax.local_devices(process)[: count // len(processes)] for process in processes]
        return cls(Mesh(np.array(each).reshape(-1), (AXIS,)))

    def __len__(self) -> int:
        """Return their number."""
        return self.mesh.size

    @property
    def everywhere(self) -> NamedSharding:
        """The placement of an array of which every device has the whole."""
        return NamedSharding(self.mesh, WHOLE)

    def put(self, array: NDArray[Any]) -> Array:
        """Return a host array, which all processes have alike, on all devices."""
        return jax.make_array_from_callback(array.shape, self.everywhere, lambda rows: array[rows])

    def apart(self, function: Callable[..., Any], *places: PartitionSpec) -> Callable[..., Any]:
        """Return a function that each device carries out on its share of the arguments that are `shared`.

        What it returns must be the same on all of them.
        """
        # Else JAX would differentiate with respect to what all have in common, and add a sum over the devices for every
        # layer that is a function. It cannot tell either that a gathered array is the same everywhere.
        return jax.shard_map(function, mesh=self.mesh, in_specs=places, out_specs=WHOLE, check_vma=False)

    def averaged(self, gradient: tuple[Parameters, ...]) -> tuple[Parameters, ...]:
        """Return the mean of every device's gradient: one sum over the devices, of all arrays at once."""
        leaves, tree = jax.tree.flatten(gradient)
        # One operation as it is; put into one row first, arrays would be copied there and back.
        totals = jax.lax.psum([leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32)) for leaf in leaves], AXIS)
        means = [(total / len(self)).astype(leaf.dtype) for total, leaf in zip(totals, leaves, strict=True)]
        return jax.tree.unflatten(tree, means)


def gathered(array: Array, axis: int = 0) -> Array:
    """Return what all devices have of an array that is `shared` along an axis."""
    return jax.lax.all_gather(array, AXIS, axis=axis, tiled=True)


def of_each(array: Array) -> Array:
    """Return what every device has, (devices, …)."""
    return jax.lax.all_gather(array, AXIS)
