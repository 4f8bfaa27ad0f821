"""The variables of a sample as one flat vector."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from math import prod
from typing import Protocol, runtime_checkable

from pcsim.model.arrays import Array


@runtime_checkable
class Concatenates(Protocol):
    """What puts arrays together along an axis: numpy and `jax.numpy` do, and every `PairNamespace`."""

    def concatenate(self, arrays: Sequence[Array], /, *, axis: int) -> Array: ...


@dataclass(frozen=True)
class Flat:
    """How variables of `shapes` lie one after another in the last axis of an array, in `order`, or else as given."""

    shapes: tuple[tuple[int, ...], ...]
    order: tuple[int, ...] | None = None

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Units of every variable."""
        return tuple(prod(shape) for shape in self.shapes)

    @cached_property
    def size(self) -> int:
        """Length of the vector."""
        return sum(self.sizes)

    @cached_property
    def places(self) -> tuple[slice, ...]:
        """Where every variable lies."""
        order = self._order
        ends = list(accumulate(self.sizes[i] for i in order))
        found = {i: slice(end - self.sizes[i], end) for i, end in zip(order, ends, strict=True)}
        return tuple(found[i] for i in range(len(order)))

    def split(self, flat: Array) -> tuple[Array, ...]:
        """Return the variables (…, *shape) of vectors (…, size), views where the library has them."""
        outer = flat.shape[:-1]
        return tuple(
            flat[..., place].reshape(*outer, *shape) for place, shape in zip(self.places, self.shapes, strict=True)
        )

    def join(self, xp: Concatenates, variables: Sequence[Array], like: Array) -> Array:
        """Return variables (batch, *shape) as vectors (batch, size); without any, `like` (batch, n) less its units."""
        if not self.shapes:
            return like[:, :0]
        return xp.concatenate([variables[i].reshape(variables[i].shape[0], -1) for i in self._order], axis=1)

    @property
    def _order(self) -> Sequence[int]:
        return range(len(self.shapes)) if self.order is None else self.order
