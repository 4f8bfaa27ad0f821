"""Matrix products in tiles of registers: a few rows by two vectors of columns, the weights packed in panels.

Every entry of a product is one chain of multiply-adds over the depth, whatever tile it lies in: a sample's result does
not depend on the rows beside it.
"""

# Numba infers the types of what it compiles.
# pyright: basic

from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from pcsim.typing import NDArray
from pcsim_numba.kernels.compiled import FEATURES, VECTOR_BYTES, intrinsic, named, part, stay_apart

TALL = 8 if VECTOR_BYTES == 64 or not FEATURES.get("sse2") else 4
"""Rows of the largest tile: with two vectors a row it takes half of the registers."""
WIDE = 2
"""Vectors of columns in a panel, but for a last one of a single vector."""


def lanes(dtype: np.dtype[Any]) -> int:
    """Return the numbers in a vector."""
    return VECTOR_BYTES // dtype.itemsize


def padded(n: int, dtype: np.dtype[Any]) -> int:
    """Return n rounded up to whole vectors."""
    width = lanes(dtype)
    return -(-n // width) * width


def packed(matrix: NDArray[Any]) -> NDArray[Any]:
    """Return a matrix (depth, n) as panels of columns, one after another, zeros beyond the last column."""
    depth, n = matrix.shape
    full = np.zeros((depth, padded(n, matrix.dtype)), matrix.dtype)
    full[:, :n] = matrix
    width = WIDE * lanes(matrix.dtype)
    panels = [full[:, j : j + width].ravel() for j in range(0, full.shape[1], width)]
    return np.concatenate(panels)


def _tile(rows: int, vectors: int, biased: bool) -> Any:
    """Return a function that writes a tile of a product; arguments as in `multiply` and `multiply_and_add`."""

    @intrinsic
    def tile(
        typing: Any,
        a: Any,
        a_at: Any,
        a_ld: Any,
        b: Any,
        b_at: Any,
        depth: Any,
        bias: Any,
        bias_at: Any,
        c: Any,
        c_at: Any,
        c_ld: Any,
    ):
        del typing, a_at, a_ld, b_at, depth, bias_at, c_at, c_ld
        n = types.intp
        return types.void(a, n, n, b, n, n, bias, n, c, n, n), partial(_emit_tile, rows, vectors, biased)

    return tile


def _emit_tile(
    rows: int, vectors: int, biased: bool, context: Any, builder: Any, signature: Any, arguments: Any
) -> Any:
    a, a_at, a_ld, b, b_at, depth, bias, bias_at, c, c_at, c_ld = arguments
    real = context.get_data_type(signature.args[0].dtype)
    size = 4 if signature.args[0].dtype == types.float32 else 8
    width = VECTOR_BYTES // size
    vector = ir.VectorType(real, width)
    integer = a_at.type
    prefetch = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(ir.VoidType(), [real.as_pointer(), *[ir.IntType(32)] * 3]),
        "llvm.prefetch.p0",
    )
    name = f"llvm.fmuladd.v{width}f{8 * size}"
    fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), name)

    def data(position: int, value: Any, at: Any) -> Any:
        array = context.make_array(signature.args[position])(context, builder, value)
        return builder.gep(array.data, [at], source_etype=real)

    def moved(pointer: Any, count: Any) -> Any:
        return builder.gep(pointer, [count], source_etype=real)

    def constant(value: int) -> Any:
        return ir.Constant(integer, value)

    left, right, above, out = data(0, a, a_at), data(3, b, b_at), data(6, bias, bias_at), data(8, c, c_at)
    starts = [moved(left, builder.mul(a_ld, constant(r))) for r in range(rows)]
    before = builder.block
    body, after = builder.append_basic_block("depth"), builder.append_basic_block("done")
    builder.cbranch(builder.icmp_signed(">", depth, constant(0)), body, after)
    zero = ir.Constant(vector, [0.0] * width)
    cells = [(r, v) for r in range(rows) for v in range(vectors)]

    builder.position_at_end(body)
    k = builder.phi(integer)
    k.add_incoming(constant(0), before)
    sums = {cell: builder.phi(vector) for cell in cells}
    for total in sums.values():
        total.add_incoming(zero, before)
    line = moved(right, builder.mul(k, constant(vectors * width)))
    columns = [builder.load(moved(line, constant(v * width)), typ=vector, align=size) for v in range(vectors)]
    # The panel after this one, and after the last that of the layer above, is on its way while this one is used.
    for v in range(vectors):
        ahead = moved(line, builder.add(builder.mul(depth, constant(vectors * width)), constant(v * width)))
        builder.call(prefetch, [ahead, *(ir.Constant(ir.IntType(32), c) for c in (0, 3, 1))])
    nowhere, spread = (
        ir.Constant(vector, ir.Undefined),
        ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width),
    )
    found = {}
    for r in range(rows):
        one = builder.load(moved(starts[r], k), typ=real, align=size)
        first = builder.insert_element(nowhere, one, ir.Constant(ir.IntType(32), 0))
        row = builder.shuffle_vector(first, nowhere, spread)
        for v in range(vectors):
            found[r, v] = builder.call(fma, [row, columns[v], sums[r, v]])
    onward = builder.add(k, constant(1))
    k.add_incoming(onward, body)
    for cell in cells:
        sums[cell].add_incoming(found[cell], body)
    builder.cbranch(builder.icmp_signed("<", onward, depth), body, after)

    builder.position_at_end(after)
    for r, v in cells:
        total = builder.phi(vector)
        total.add_incoming(zero, before)
        total.add_incoming(found[r, v], body)
        found[r, v] = total
    if biased:
        added = [builder.load(moved(above, constant(v * width)), typ=vector, align=size) for v in range(vectors)]
        found = {(r, v): builder.fadd(total, added[v]) for (r, v), total in found.items()}
    for r, v in cells:
        line = moved(out, builder.add(builder.mul(c_ld, constant(r)), constant(v * width)))
        builder.store(found[r, v], builder.bitcast(line, vector.as_pointer()), align=size)
    return context.get_dummy_value()


def _product(biased: bool) -> Any:
    shapes = (8, 2), (4, 2), (1, 2), (8, 1), (1, 1)
    tile_8_2, tile_4_2, tile_1_2, tile_8_1, tile_1_1 = (_tile(*shape, biased) for shape in shapes)

    @part
    @named("biased" if biased else "bare")
    def product(a, a_ld, b, rows, depth, bias, c, c_ld):
        stay_apart()
        one = VECTOR_BYTES // a.itemsize
        for j in range(0, c_ld, WIDE * one):
            if c_ld - j > one:
                r = 0
                while TALL >= 8 and r + 8 <= rows:
                    tile_8_2(a, r * a_ld, a_ld, b, j * depth, depth, bias, j, c, r * c_ld + j, c_ld)
                    r += 8
                while r + 4 <= rows:
                    tile_4_2(a, r * a_ld, a_ld, b, j * depth, depth, bias, j, c, r * c_ld + j, c_ld)
                    r += 4
                while r < rows:
                    tile_1_2(a, r * a_ld, a_ld, b, j * depth, depth, bias, j, c, r * c_ld + j, c_ld)
                    r += 1
            else:
                r = 0
                while r + 8 <= rows:
                    tile_8_1(a, r * a_ld, a_ld, b, j * depth, depth, bias, j, c, r * c_ld + j, c_ld)
                    r += 8
                while r < rows:
                    tile_1_1(a, r * a_ld, a_ld, b, j * depth, depth, bias, j, c, r * c_ld + j, c_ld)
                    r += 1

    return product


_bare, multiply_and_add = _product(False), _product(True)
"""`multiply_and_add(a, a_ld, b, rows, depth, bias, c, c_ld)` writes c = a b + bias, which is c_ld numbers."""


@part
def multiply(a, a_ld, b, rows, depth, c, c_ld):
    """Write c = a b: (rows, depth) times a packed (depth, c_ld), all in flat arrays.

    A row of a is `a_ld` numbers from the next. All c_ld columns are written, whole vectors.
    """
    _bare(a, a_ld, b, rows, depth, c, c, c_ld)
