"""Curvature pairs: what quasi-Newton methods remember of every sample's Hessian (Nocedal 1980, L-BFGS)."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Shaped

from pcsim.model.arrays import Array, Namespace
from pcsim.model.flat import Concatenates

STORED = np.dtype(np.float32)
LARGEST_ANGLE = 1e-10
"""Cosine between a step and the change of the gradient below which the pair says nothing of a positive curvature."""


@runtime_checkable
class PairNamespace(Namespace, Concatenates, Protocol):
    """What arrays with a history need beyond a `Namespace`."""

    def dot(self, a: Array, b: Array, /) -> Array:
        """Per-sample products of two arrays (batch, n) in the wide type: shape (batch,)."""
        ...

    def select(self, chosen: Array, a: Array, b: Array, /) -> Array:
        """Return rows of a (batch, n) where a sample is chosen (batch,), of b elsewhere; it may be one of them."""
        ...

    def with_rows(self, array: Array, slots: Array, rows: Array, chosen: Array, /) -> Array:
        """Return array (batch, m, n) with rows (batch, n) at slots (batch,) of chosen samples (batch,).

        It may write into the array, which is not to be used afterwards.
        """
        ...


class Pairs(NamedTuple):
    """The last m steps s of every sample and the changes y of its gradient, with their products.

    `vectors` (batch, 2m, n) holds s in its first m rows and P y in the others, P the inverse of the first Hessian, in
    float32: reading them is what a step costs beside the gradient, and they only shape it. A pair lies in slot `count`
    mod m. `across` s·y of an older step with a newer or its own change, `among` y·P y, and `inner` the products of all
    vectors with the gradient at the best point, are in the wide type; `kept` says which slots hold anything, `scale` is
    s·y/y·P y of the newest pair, 1 before.
    """

    vectors: Shaped[Array, "batch twice_m n"]
    across: Shaped[Array, "batch m m"]
    among: Shaped[Array, "batch m m"]
    inner: Shaped[Array, "batch twice_m"]
    kept: Bool[Array, "batch m"]
    scale: Shaped[Array, " batch"]
    count: Shaped[Array, " batch"]


def no_pairs(xp: PairNamespace, like: Shaped[Array, "batch n"], m: int) -> Pairs:
    """Return room for m pairs of vectors like these."""
    row = xp.zeros_like(like)[:, None].astype(STORED)
    wide = xp.sum_of_squares(xp.zeros_like(like))
    inner = xp.concatenate([wide[:, None]] * (2 * m), axis=1)
    square = xp.concatenate([inner[:, None, :m]] * m, axis=1)
    vectors = xp.concatenate([row] * (2 * m), axis=1)
    return Pairs(vectors, square, square, inner, inner[:, :m] > 0.0, wide + 1.0, wide)


def push(
    xp: PairNamespace,
    pairs: Pairs,
    accepted: Bool[Array, " batch"],
    step: Shaped[Array, "batch n"],
    curvature: Shaped[Array, " batch"],
    changes: tuple[Shaped[Array, "batch n"], Shaped[Array, "batch n"]],
    gradient: Shaped[Array, "batch n"],
) -> Pairs:
    """Return the pairs with another one in samples that accepted a step along which the energy curves upwards.

    `changes` are y and P y, `curvature` the product of step and y. In all accepted samples the inner products are those
    with `gradient`, where the step led.
    """
    m = pairs.kept.shape[1]
    change, natural = changes
    square, length = xp.dot(change, natural), xp.dot(step, step)
    pushed = accepted & (curvature > LARGEST_ANGLE * xp.sqrt(xp.dot(change, change) * length)) & (square > 0.0)
    vectors = xp.with_rows(pairs.vectors, pairs.count % m, step, pushed)
    vectors = xp.with_rows(vectors, m + pairs.count % m, natural, pushed)
    inner = xp.wide((vectors @ gradient[:, :, None].astype(STORED))[:, :, 0])
    # Linear in the gradient, so that no vector is read a second time.
    differences = inner - pairs.inner
    here = (_slots(m) == (pairs.count % m)[:, None]) & pushed[:, None]
    row, column = here[:, :, None], here[:, None, :]
    steps = xp.where(here, curvature[:, None], differences[:, :m])
    squares = xp.where(here, square[:, None], differences[:, m:])
    across = xp.where(column, steps[:, :, None], xp.where(row, 0.0, pairs.across))
    among = xp.where(column, squares[:, :, None], xp.where(row, squares[:, None, :], pairs.among))
    return Pairs(
        vectors,
        across,
        among,
        xp.where(accepted[:, None], inner, pairs.inner),
        pairs.kept | here,
        xp.where(pushed, curvature / xp.where(pushed, square, 1.0), pairs.scale),
        pairs.count + pushed,
    )


def direction(
    xp: PairNamespace, pairs: Pairs, natural: Shaped[Array, "batch n"], square: Shaped[Array, " batch"]
) -> tuple[Shaped[Array, "batch n"], Shaped[Array, " batch"], Pairs]:
    """Return −H g with the inverse Hessian that the pairs make of `scale` times P, and the slope −gᵀ H g.

    `natural` is P g, `square` gᵀP g. Where rounding turns the direction uphill, the pairs are forgotten: it is −P g.
    From Nocedal's two loops (1980), on coefficients: H g = scale · P (g − Σ a_j y_j) + Σ (a_j − b_j) s_j.
    """
    m = pairs.kept.shape[1]
    # The newest pair has age 0.
    ages = (pairs.count[:, None] - 1 - _slots(m)) % m
    curvatures = xp.sum(pairs.across * np.eye(m), axis=2)
    inverse = xp.where(pairs.kept, 1.0 / xp.where(pairs.kept, curvatures, 1.0), 0.0)
    a = xp.zeros_like(inverse)
    for age in range(m):
        product = pairs.inner[:, :m] - (pairs.across @ a[:, :, None])[:, :, 0]
        a = a + xp.where(ages == age, inverse * product, 0.0)
    below = pairs.scale[:, None] * (pairs.inner[:, m:] - (pairs.among @ a[:, :, None])[:, :, 0])
    c = xp.zeros_like(inverse)
    for age in range(m - 1, -1, -1):
        product = below + (c[:, None, :] @ pairs.across)[:, 0, :]
        c = c + xp.where(ages == age, a - inverse * product, 0.0)
    weights = xp.concatenate([-c, pairs.scale[:, None] * a], axis=1)
    slope = xp.sum(weights * pairs.inner, axis=1) - pairs.scale * square
    uphill = ~(slope < 0.0)
    pairs = clear(xp, pairs, uphill)
    weights = xp.where(uphill[:, None], 0.0, weights).astype(STORED)
    along = (weights[:, None, :] @ pairs.vectors)[:, 0, :]
    aim = along - pairs.scale[:, None].astype(natural.dtype) * natural
    return aim, xp.where(uphill, -square, slope), pairs


def clear(xp: PairNamespace, pairs: Pairs, which: Bool[Array, " batch"]) -> Pairs:
    """Return the pairs without those of some samples."""
    return pairs._replace(
        kept=pairs.kept & ~which[:, None],
        scale=xp.where(which, 1.0, pairs.scale),
    )


def _slots(m: int) -> Any:
    return np.arange(m, dtype=np.float64)[None]
