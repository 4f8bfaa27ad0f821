"""Arrays of balls as the core's array namespace."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from flint import arb

from pcsim.model.arrays import Curve
from pcsim.model.gathered import Gathered
from pcsim.typing import NDArray
from pcsim_exact.number.balls import Balls, Operand, entries_of, zeros
from pcsim_exact.number.verdicts import Verdict


def _elementwise(function: Callable[[arb], arb]) -> Callable[[Balls], Balls]:
    over_arrays: Any = np.frompyfunc(function, 1, 1)

    def apply(x: Balls, /) -> Balls:
        return Balls(over_arrays(x.entries))

    return apply


def _square_root(x: arb) -> arb:
    """Return √x; a ball that reaches below zero is cut there, for no true argument of a root does."""
    if x > 0 or x < 0 or x.is_zero():
        return x.sqrt()
    return arb(0).union(x.abs_upper().sqrt())


class _Known(NamedTuple):
    """An anchor that has been evaluated: a point, its value and what is saved."""

    p: Balls
    value: Balls
    saved: Any


Chosen = TypeVar("Chosen")
_larger: Any = np.frompyfunc(arb.max, 2, 1)


class ExactNamespace(Gathered):
    """The functions of `pcsim.model.arrays.Namespace` on arrays of balls: each result encloses the true one."""

    exp = staticmethod(_elementwise(arb.exp))
    log = staticmethod(_elementwise(arb.log))
    log1p = staticmethod(_elementwise(arb.log1p))
    tanh = staticmethod(_elementwise(arb.tanh))
    normal_cdf = staticmethod(_elementwise(lambda x: (-x * arb(0.5).sqrt()).erfc() / 2))
    normal_density = staticmethod(_elementwise(lambda x: (-x * x / 2).exp() * (2 * arb.pi()).rsqrt()))
    abs = staticmethod(_elementwise(abs))
    sqrt = staticmethod(_elementwise(_square_root))

    def maximum(self, a: Balls, b: Operand, /) -> Balls:
        """The larger of two; the hull where that is open."""
        return Balls(_larger(a.entries, entries_of(b)))

    def where(self, condition: Verdict | NDArray[np.bool_] | bool, a: Operand, b: Operand, /) -> Balls:
        """Return a where the condition holds and b elsewhere; the hull of both where that is open."""
        if not isinstance(condition, Verdict):
            condition = Verdict(np.asarray(condition), np.asarray(np.logical_not(condition)))
        return Balls(condition.choose(entries_of(a), entries_of(b)))

    def either(self, condition: bool, a: Callable[[], Chosen], b: Callable[[], Chosen], /) -> Chosen:
        """Return a() if the condition holds, else b()."""
        return a() if condition else b()

    def zeros_like(self, x: Balls, /) -> Balls:
        """Exact zeros."""
        return zeros(x.shape)

    def stack(self, arrays: Sequence[Balls], /) -> Balls:
        """Join equally shaped arrays along a new first axis."""
        return Balls(np.stack([a.entries for a in arrays]))

    def concatenate(self, arrays: Sequence[Balls], /, *, axis: int) -> Balls:
        """Put arrays together along an axis."""
        return Balls(np.concatenate([a.entries for a in arrays], axis=axis))

    def gather(self, x: Balls, index: NDArray[np.int64], /) -> Balls:
        """Return positions of x (batch, positions, channels), exact zeros for the one beyond the last."""
        beyond = np.concatenate([x.entries, zeros((x.shape[0], 1, x.shape[2])).entries], axis=1)
        return Balls(np.take(beyond, index, axis=1))

    def pad(self, s: Balls, rows: int, columns: int, /) -> Balls:
        """Return images with rows below and columns at the right, of exact zeros."""
        batch, height, width, channels = s.shape
        padded = zeros((batch, height + rows, width + columns, channels)).entries
        padded[:, :height, :width] = s.entries
        return Balls(padded)

    def sum(self, x: Balls, /, axis: int, keepdims: bool = False) -> Balls:
        """Sum over one axis."""
        return Balls(np.add.reduce(x.entries, axis=axis, keepdims=keepdims))

    def max(self, x: Balls, /, axis: int, keepdims: bool = False) -> Balls:
        """Largest entry over one axis."""
        return Balls(_larger.reduce(x.entries, axis=axis, keepdims=keepdims))

    def any(self, x: Balls, /) -> bool:
        """Whether any entry is certainly not zero."""
        return any(ball > 0 or ball < 0 for ball in x.entries.flat)

    def increment(self, curve: Curve, anchor: Any, d: Balls, /) -> tuple[Balls, Any, Any]:
        """Return φ(p + d) − φ(p) by subtraction, and what is saved and anchor at p + d; exact zeros where d is.

        The bits that cancel are among the guard bits, and the value is the one that the standard form uses.
        """
        known = anchor if isinstance(anchor, _Known) else _Known(anchor[0], *curve.forward(self, anchor[0]))
        if d.is_zero:
            return zeros(known.value.shape), known.saved, known
        q = known.p + d
        value, saved = curve.forward(self, q)
        return value - known.value, saved, _Known(q, value, saved)

    def wide(self, x: Balls, /) -> Balls:
        """Return x itself: no type is wider."""
        return x

    def sum_of_squares(self, x: Balls, /) -> Balls:
        """Per-sample sum of squares: shape (batch,)."""
        flat = x.entries.reshape(x.shape[0], -1)
        return Balls(np.add.reduce(flat * flat, axis=1))
