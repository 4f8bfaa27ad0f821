"""Gradient clipping to a global norm, over the parameters of all layers together (Pascanu et al. 2013)."""

from collections.abc import Sequence

from pcsim.learning.scaling import largest_size, nonzero
from pcsim.model.arrays import Array, Namespace, Parameters


def clip_to_norm(xp: Namespace, gradient: Sequence[Parameters], limit: float) -> tuple[Parameters, ...]:
    """Return the gradient, shortened to the norm `limit` > 0 if it is longer, and else as it is to the bit.

    Squares are those of g / max|g|, accumulated in the wide type: they neither underflow nor overflow. A gradient
    that is not finite becomes NaN or stays what it is, but is never made finite.
    """
    arrays = [array for layer in gradient for array in layer.values()]
    size = nonzero(xp, xp.max(xp.stack([largest_size(xp, array) for array in arrays]), axis=0))
    length = _norm(xp, [array / size for array in arrays])
    too_long = xp.wide(size) * length > limit
    # Never 0 where it is used: the largest entry has size 1 by now.
    factor = limit / (length + (length == 0.0))

    def clipped(array: Array) -> Array:
        return xp.where(too_long, array / size * factor.astype(array.dtype), array)

    return tuple({name: clipped(array) for name, array in layer.items()} for layer in gradient)


def _norm(xp: Namespace, arrays: Sequence[Array]) -> Array:
    return xp.sqrt(xp.sum(xp.stack([xp.sum_of_squares(array.reshape(1, -1)) for array in arrays]), axis=0))
