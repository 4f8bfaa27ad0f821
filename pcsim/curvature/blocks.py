"""Symmetric matrices in blocks of layers: how the Hessian over states is stored, factorised and solved.

The energy's quadratic part is ½ Σ_j e_jᵀ w_j e_j + ½ Σ_i δ_i ‖s_i‖² with e_j = s_j − Σ M_ji s_i over the states i that
layer j reads (the output's e has no state of its own). So block (a, b) is Σ_j D_jaᵀ w_j D_jb + δ, with D_jj = I and
D_ji = −M_ji: block tridiagonal in a chain, and banded as far as skips reach (thesis C.9, C.19; model: section 4).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from math import gcd
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from pcsim.errors import UsageError
from pcsim.model.arrays import Values
from pcsim.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import bsr_array

Links = Mapping[int, Values | None]
"""The states a layer reads, by number, and the matrix M that acts on each as a column; None is the identity."""
Weight = float | Values
"""A precision, or for the output the matrix ∂²ℓ/∂ŷ²."""


NEARLY_SINGULAR = 1e-14
"""Smallest pivot or eigenvalue over the largest below which the smallest is rounding."""


class NotPositiveDefinite(UsageError):
    """A factorisation met a direction in which the energy does not rise."""


@dataclass(frozen=True)
class BlockMatrix:
    """A symmetric matrix in blocks of `sizes`, its lower triangle in `blocks` by row and column; others are zero."""

    sizes: tuple[int, ...]
    blocks: Mapping[tuple[int, int], Values]

    @property
    def order(self) -> int:
        """Rows and columns."""
        return sum(self.sizes)

    @cached_property
    def edges(self) -> tuple[int, ...]:
        """Where every block begins, and the end."""
        return (0, *accumulate(self.sizes))

    def dense(self) -> Float64[NDArray[np.float64], "n n"]:
        """Return the whole matrix."""
        full = np.zeros((self.order, self.order))
        for (a, b), block in self.blocks.items():
            full[self._rows(a), self._rows(b)] = block
            full[self._rows(b), self._rows(a)] = block.T
        return full

    def sparse(self) -> "bsr_array":
        """Return the whole matrix as SciPy's `bsr_array`: 8 bytes an entry of its blocks."""
        from scipy.sparse import bsr_array

        size = gcd(*self.sizes) or 1
        columns: list[list[int]] = [[] for _ in self.sizes]
        for a, b in sorted(self.blocks):
            columns[a].append(b)
            if a != b:
                columns[b].append(a)
        lengths = np.repeat(
            [sum(self.sizes[b] for b in others) // size for others in columns], [n // size for n in self.sizes]
        )
        pointers = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        data, indices = np.empty((pointers[-1], size, size)), np.empty(pointers[-1], dtype=np.int64)
        for a, others in enumerate(columns):
            rows = slice(pointers[self.edges[a] // size], pointers[self.edges[a + 1] // size])
            tiles = (self.sizes[a] // size, -1, size, size)
            parts = [_tiles(self._block(a, b), size) for b in sorted(others)]
            np.concatenate(parts, axis=1, out=data[rows].reshape(tiles))
            places = [np.arange(self.edges[b], self.edges[b + 1], size) // size for b in sorted(others)]
            indices[rows] = np.tile(np.concatenate(places), self.sizes[a] // size)
        return bsr_array((data, indices, pointers), shape=(self.order, self.order))

    def product(self, x: Float64[NDArray[np.float64], "n *k"]) -> Float64[NDArray[np.float64], "n *k"]:
        """Return the matrix times x."""
        result = np.zeros(x.shape)
        for (a, b), block in self.blocks.items():
            result[self._rows(a)] += block @ x[self._rows(b)]
            if a != b:
                result[self._rows(b)] += block.T @ x[self._rows(a)]
        return result

    def plus(self, shift: float) -> "BlockMatrix":
        """Return the matrix plus a number times the identity."""
        if not shift:
            return self
        shifted = {key: block.copy() if key[0] == key[1] else block for key, block in self.blocks.items()}
        for i in range(len(self.sizes)):
            _add_diagonal(shifted[i, i], shift)
        return BlockMatrix(self.sizes, shifted)

    def factorised(self) -> "BlockCholesky":
        """Return the Cholesky factor in blocks; raises `NotPositiveDefinite` where a block has none."""
        from scipy.linalg import LinAlgError, cholesky, solve_triangular

        factor: dict[tuple[int, int], Values] = {}
        left: list[set[int]] = [set() for _ in self.sizes]
        below: list[set[int]] = [{a for a, b in self.blocks if b == i < a} for i in range(len(self.sizes))]
        for i in range(len(self.sizes)):
            pivot = self.blocks[i, i].copy()
            for k in left[i]:
                pivot -= factor[i, k] @ factor[i, k].T
            try:
                factor[i, i] = cholesky(pivot, lower=True, overwrite_a=True, check_finite=False)
            except LinAlgError as error:
                raise NotPositiveDefinite(f"block {i} of the Hessian is not positive definite") from error
            # what an earlier column fills in
            below[i] = below[i].union(*(below[k] for k in left[i])) - set(range(i + 1))
            for j in sorted(below[i]):
                known = self.blocks.get((j, i))
                rest = np.zeros((self.sizes[j], self.sizes[i])) if known is None else known.copy()
                for k in left[i] & left[j]:
                    rest -= factor[j, k] @ factor[i, k].T
                factor[j, i] = solve_triangular(factor[i, i], rest.T, lower=True, overwrite_b=True).T
                left[j].add(i)
        return BlockCholesky(self.sizes, factor)

    def _block(self, a: int, b: int) -> Values:
        return self.blocks[a, b] if a >= b else self.blocks[b, a].T

    def _rows(self, a: int) -> slice:
        return slice(self.edges[a], self.edges[a + 1])


@dataclass(frozen=True)
class BlockCholesky:
    """The lower triangular factor L of a matrix L Lᵀ, in blocks."""

    sizes: tuple[int, ...]
    blocks: Mapping[tuple[int, int], Values]

    @cached_property
    def _columns(self) -> list[list[int]]:
        """For every block column, the block rows below its diagonal."""
        columns: list[list[int]] = [[] for _ in self.sizes]
        for a, b in self.blocks:
            if a > b:
                columns[b].append(a)
        return columns

    def solve(self, right: Float64[NDArray[np.float64], "n *k"]) -> Float64[NDArray[np.float64], "n *k"]:
        """Return (L Lᵀ)⁻¹ times a right-hand side."""
        from scipy.linalg import solve_triangular

        edges = [0, *accumulate(self.sizes)]
        parts = [right[first:last] for first, last in pairwise(edges)]
        for i in range(len(parts)):
            parts[i] = solve_triangular(self.blocks[i, i], parts[i], lower=True, check_finite=False)
            for j in self._columns[i]:
                parts[j] = parts[j] - self.blocks[j, i] @ parts[i]
        for i in range(len(parts) - 1, -1, -1):
            for j in self._columns[i]:
                parts[i] = parts[i] - self.blocks[j, i].T @ parts[j]
            parts[i] = solve_triangular(self.blocks[i, i], parts[i], lower=True, trans=1, check_finite=False)
        return np.concatenate(parts) if parts else right

    def require_regular(self) -> None:
        """Raise `NotPositiveDefinite` where the matrix is singular to rounding."""
        squares = np.concatenate([np.diag(self.blocks[i, i]) ** 2 for i in range(len(self.sizes))])
        if squares.min() < NEARLY_SINGULAR * squares.max():
            raise NotPositiveDefinite("the Hessian is singular to rounding")


def assemble(
    sizes: Sequence[int], links: Sequence[Links], weights: Sequence[Weight], added: Mapping[int, Weight]
) -> BlockMatrix:
    """Return the Hessian of ½ Σ_j e_jᵀ w_j e_j plus what is `added` to diagonal blocks, a number standing for δ I.

    `links` and `weights` have one entry a layer, the output's last; `sizes` one a state.
    """
    blocks: dict[tuple[int, int], Values] = {(i, i): np.zeros((n, n)) for i, n in enumerate(sizes)}
    for j, (own, weight) in enumerate(zip(links, weights, strict=True)):
        if is_number(weight, 0.0):
            continue
        if j < len(sizes):
            _add_diagonal(blocks[j, j], weight)
        for b, matrix in own.items():
            weighted = _times(weight, matrix, sizes[b])
            if j < len(sizes):
                blocks[j, b] = -weighted
            for a, other in own.items():
                if a >= b:
                    term = weighted if other is None else other.T @ weighted
                    blocks[a, b] = blocks[a, b] + term if (a, b) in blocks else term
    for i, value in added.items():
        _add_diagonal(blocks[i, i], value)
    return BlockMatrix(tuple(sizes), blocks)


def is_number(weight: Weight, number: float) -> bool:
    """Tell whether a weight is this number, which no matrix is."""
    return isinstance(weight, float) and weight == number


def _tiles(block: Values, size: int) -> Float64[NDArray[np.float64], "rows columns size size"]:
    """Return a block cut into square tiles."""
    rows, columns = block.shape
    return block.reshape(rows // size, size, columns // size, size).swapaxes(1, 2)


def _times(weight: Weight, matrix: Values | None, units: int) -> Values:
    """Return w M."""
    known = np.eye(units) if matrix is None else matrix
    return weight * known if isinstance(weight, float) else weight @ known


def _add_diagonal(block: Values, value: Weight) -> None:
    """Add a number times the identity, or a matrix, to a block in place."""
    if isinstance(value, float):
        block.flat[:: len(block) + 1] += value
    else:
        block += value
