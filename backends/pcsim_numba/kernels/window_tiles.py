"""Tiles of convolutions in registers: a few places by one or two vectors of channels, read from the image itself.

In an image whose channels come last, a row of a window is one stretch of numbers: nothing is copied to patches. Places
are told by where their windows begin, so that a tile may reach over the end of a row or of an image. Every entry is one
chain of multiply-adds, whatever tile it lies in.
"""

# Numba infers the types of what it compiles.
# pyright: basic

from functools import partial
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from pcsim_numba.kernels.compiled import VECTOR_BYTES, intrinsic


def made_tile(rows: int, vectors: int) -> Any:
    """Return a function that writes what a kernel makes of the windows at `rows` places.

    Arguments: the flat image, the array of where windows begin, the first place, numbers from one line of a window to
    the next, lines of a window, numbers in one, the flat kernel in panels, where its panel begins, the flat bias, where
    that begins, the flat output, where the first place's numbers go, and numbers from one place to the next.
    """

    @intrinsic
    def tile(
        typing: Any,
        image: Any,
        begins: Any,
        place: Any,
        line: Any,
        lines: Any,
        depth: Any,
        panels: Any,
        panel_at: Any,
        bias: Any,
        bias_at: Any,
        out: Any,
        out_at: Any,
        out_ld: Any,
    ):
        del typing, place, line, lines, depth, panel_at, bias_at, out_at, out_ld
        n = types.intp
        return types.void(image, begins, n, n, n, n, panels, n, bias, n, out, n, n), partial(_emit_made, rows, vectors)

    return tile


def gradient_tile(rows: int, vectors: int) -> Any:
    """Return a function that adds, to `rows` lines of a kernel's gradient, windows times errors over some places.

    Arguments: the flat image, the array of where windows begin, how far into a window the first of these numbers is,
    the number of places, the flat errors, where the first place's begin, numbers from one place to the next, the flat
    gradient, where the first line begins, and numbers from one to the next.
    """

    @intrinsic
    def tile(
        typing: Any,
        image: Any,
        begins: Any,
        shift: Any,
        places: Any,
        errors: Any,
        errors_at: Any,
        errors_ld: Any,
        out: Any,
        out_at: Any,
        out_ld: Any,
    ):
        del typing, shift, places, errors_at, errors_ld, out_at, out_ld
        n = types.intp
        return types.void(image, begins, n, n, errors, n, n, out, n, n), partial(_emit_gradient, rows, vectors)

    return tile


class Emitter:
    """What both tiles need of LLVM: pointers into flat arrays, vectors, loops whose sums stay in registers."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any, of: int) -> None:
        self.context, self.builder, self._signature, self._arguments = context, builder, signature, arguments
        dtype = signature.args[of].dtype
        self.real, self.size = context.get_data_type(dtype), dtype.bitwidth // 8
        self.width = VECTOR_BYTES // self.size
        self.vector, self.index = ir.VectorType(self.real, self.width), ir.IntType(64)
        name = f"llvm.fmuladd.v{self.width}f{8 * self.size}"
        self._fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(self.vector, [self.vector] * 3), name
        )

    def pointer(self, position: int, at: Any) -> Any:
        kind = self._signature.args[position]
        array = self.context.make_array(kind)(self.context, self.builder, self._arguments[position])
        return self.builder.gep(array.data, [at], source_etype=self.context.get_data_type(kind.dtype))

    def moved(self, pointer: Any, count: Any) -> Any:
        return self.builder.gep(pointer, [count], source_etype=self.real)

    def number(self, value: int) -> Any:
        return ir.Constant(self.index, value)

    def constant(self, value: float) -> Any:
        """Return a vector that repeats a constant."""
        return ir.Constant(self.vector, [value] * self.width)

    def load(self, pointer: Any) -> Any:
        return self.builder.load(pointer, typ=self.vector, align=self.size)

    def store(self, value: Any, pointer: Any) -> None:
        self.builder.store(value, self.builder.bitcast(pointer, self.vector.as_pointer()), align=self.size)

    def spread(self, pointer: Any) -> Any:
        """Return a vector that repeats one number."""
        one = self.builder.load(pointer, typ=self.real, align=self.size)
        nowhere, lane = ir.Constant(self.vector, ir.Undefined), ir.IntType(32)
        first = self.builder.insert_element(nowhere, one, ir.Constant(lane, 0))
        return self.builder.shuffle_vector(
            first, nowhere, ir.Constant(ir.VectorType(lane, self.width), [0] * self.width)
        )

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        return self.builder.call(self._fma, [a, b, c])

    def loop(self, count: Any, sums: list[Any], body: Any) -> list[Any]:
        """Return sums after sums = body(k, sums) for k below a count of at least one."""
        builder = self.builder
        before, inside = builder.block, builder.append_basic_block("again")
        builder.branch(inside)
        builder.position_at_end(inside)
        k, carried = builder.phi(self.index), [builder.phi(self.vector) for _ in sums]
        found = body(k, carried)
        onward = builder.add(k, self.number(1))
        for phi, first, then in zip([k, *carried], [self.number(0), *sums], [onward, *found], strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(then, builder.block)
        after = builder.append_basic_block("done")
        builder.cbranch(builder.icmp_signed("<", onward, count), inside, after)
        builder.position_at_end(after)
        return found


def _emit_made(rows: int, vectors: int, context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    e = Emitter(context, builder, signature, arguments, 0)
    _, _, place, line, lines, depth, _, panel_at, _, bias_at, _, out_at, out_ld = arguments
    starts: list[Any] = []
    for r in range(rows):
        begin = builder.load(e.pointer(1, builder.add(place, e.number(r))), typ=e.index, align=8)
        starts.append(e.pointer(0, begin))
    panel, width = e.pointer(6, panel_at), e.number(vectors * e.width)
    bias = e.pointer(8, bias_at)
    first = [e.load(e.moved(bias, e.number(v * e.width))) for v in range(vectors)]

    def on_line(a: Any, sums: list[Any]) -> list[Any]:
        lefts = [e.moved(start, builder.mul(a, line)) for start in starts]
        rights = e.moved(panel, builder.mul(builder.mul(a, depth), width))

        def on_number(k: Any, sums: list[Any]) -> list[Any]:
            right = e.moved(rights, builder.mul(k, width))
            columns = [e.load(e.moved(right, e.number(v * e.width))) for v in range(vectors)]
            found: list[Any] = []
            for r in range(rows):
                one = e.spread(e.moved(lefts[r], k))
                found += [e.fma(one, columns[v], sums[r * vectors + v]) for v in range(vectors)]
            return found

        return e.loop(depth, sums, on_number)

    sums = e.loop(lines, first * rows, on_line)
    for r in range(rows):
        to = e.pointer(10, builder.add(out_at, builder.mul(out_ld, e.number(r))))
        for v in range(vectors):
            e.store(sums[r * vectors + v], e.moved(to, e.number(v * e.width)))
    return context.get_dummy_value()


def _emit_gradient(rows: int, vectors: int, context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    e = Emitter(context, builder, signature, arguments, 0)
    _, _, shift, places, _, errors_at, errors_ld, _, out_at, out_ld = arguments
    image, errors = e.pointer(0, shift), e.pointer(4, errors_at)
    lines = [e.pointer(7, builder.add(out_at, builder.mul(out_ld, e.number(r)))) for r in range(rows)]
    cells = [e.moved(line, e.number(v * e.width)) for line in lines for v in range(vectors)]

    def on_place(p: Any, sums: list[Any]) -> list[Any]:
        begin = builder.load(e.pointer(1, p), typ=e.index, align=8)
        window, error = e.moved(image, begin), e.moved(errors, builder.mul(p, errors_ld))
        columns = [e.load(e.moved(error, e.number(v * e.width))) for v in range(vectors)]
        found: list[Any] = []
        for r in range(rows):
            one = e.spread(e.moved(window, e.number(r)))
            found += [e.fma(one, columns[v], sums[r * vectors + v]) for v in range(vectors)]
        return found

    sums = e.loop(places, list(map(e.load, cells)), on_place)
    for value, cell in zip(sums, cells, strict=True):
        e.store(value, cell)
    return context.get_dummy_value()
