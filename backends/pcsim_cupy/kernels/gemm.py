"""Matrix products of rows of numbers in the words of cuBLAS, whose matrices lie column by column."""

from typing import NamedTuple

PLAIN, TRANSPOSED = 0, 1


class Product(NamedTuple):
    """As many products out = op(a) op(b) as there are `matrices`, which lie row by row, one behind another.

    `a` is (rows, inner) or, transposed, (inner, rows); `b` is (inner, columns) or, transposed, (columns, inner).
    """

    matrices: int
    rows: int
    columns: int
    inner: int
    a_transposed: bool = False
    b_transposed: bool = False


class Call(NamedTuple):
    """The arguments of cublasGemmStridedBatchedEx; its first matrix is our b, its second our a."""

    transa: int
    transb: int
    m: int
    n: int
    k: int
    lda: int
    stride_a: int
    ldb: int
    stride_b: int
    ldc: int
    stride_c: int
    matrices: int


def call(product: Product) -> Call:
    """Return what to ask of cuBLAS: rows of ours are its columns, so that outᵀ = op(b)ᵀ op(a)ᵀ is what it computes."""
    count, rows, columns, inner, a_transposed, b_transposed = product
    return Call(
        TRANSPOSED if b_transposed else PLAIN,
        TRANSPOSED if a_transposed else PLAIN,
        columns,
        rows,
        inner,
        inner if b_transposed else columns,
        inner * columns,
        rows if a_transposed else inner,
        rows * inner,
        columns,
        rows * columns,
        count,
    )
