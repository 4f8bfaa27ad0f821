"""Elementary functions as plain arithmetic on one number, so that loops over them become vector instructions.

All are written once for float32 and float64; `tests/backends/numba/` holds their errors against exact values.
"""

# Numba infers the types of what it compiles.
# pyright: basic

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from pcsim_numba.kernels.compiled import inlined, intrinsic

LOG2_E = 1.4426950408889634
# ln 2 in two parts, the first short enough that its product with a whole number is exact.
LN2 = {
    types.float32: (0.693359375, -2.12194440054690583e-4),
    types.float64: (0.6931471803691238, 1.9082149292705877e-10),
}
MAGIC = {types.float32: 1.5 * 2.0**23, types.float64: 1.5 * 2.0**52}
"""Added to a number and subtracted again it leaves the nearest whole one; in between, that is in the lowest bits."""
LOWEST = {types.float32: -105.0, types.float64: -746.0}
"""Where e^y is zero."""
HIGHEST = {types.float32: 20.0, types.float64: 40.0}
"""Where (e^y − 1)/(e^y + 1) is one."""
PEAK = 0.3989422804014327
"""1/√(2π)."""

# (e^r − 1 − r)/r², highest power first.
EXPM1 = {
    types.float32: tuple(1.0 / math.factorial(n) for n in range(7, 1, -1)),
    types.float64: tuple(1.0 / math.factorial(n) for n in range(13, 1, -1)),
}
# (1 + z) e^{z²/2} Φ(−z) in powers of t = (z − 4)/(z + 4), highest first: the Chebyshev series on [−1, 1], computed with
# 300 bits and cut where it is right to 1e-8 and 4e-16.
TAIL = {
    types.float32: (
        *(1.256854669748779e-05, -5.8091235258713935e-05, -8.455401787143764e-05, 0.0006649886920591677),
        *(-0.00029126749523318687, -0.004987714249865996, 0.017937695942263972, -0.032201162891248414),
        *(0.028600168143397546, 0.013999913667926737, -0.09670347042745923, 0.4720532026941583),
    ),
    types.float64: (
        *(-1.5456221598143852e-09, 1.5858299859752785e-09, 1.7442583764419795e-08, -8.209925301458887e-09),
        *(-1.1022354013739079e-07, -1.5091283543628724e-08, 5.507747965364098e-07, 4.1911310193590346e-07),
        *(-2.6118464340168558e-06, -3.440603100585818e-06, 1.3626315192600401e-05, 2.1253211605870817e-05),
        *(-8.785300442645791e-05, -9.443101828630542e-05, 0.0006948970692570495, -0.00028562298498267666),
        *(-0.0050023785870514665, 0.01793609747038303, -0.03219783742831453, 0.028600364053903857),
        *(0.013999634724430469, -0.09670347732652977, 0.47205320650984467),
    ),
}


def constant(name: str, value: Any) -> Any:
    """Return a function of a number that gives a constant in its type; `value` is that, or one for every type."""

    @intrinsic
    def constant(typing: Any, x: Any):
        del typing

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            del context, builder
            chosen = value[signature.args[0]] if isinstance(value, dict) else value
            return ir.Constant(arguments[0].type, chosen)

        return x(x), emit

    constant.__name__ = name
    return constant


def _polynomial(name: str, powers: Any) -> Any:
    """Return the function of a polynomial whose coefficients depend on the type, by Horner's rule."""

    @intrinsic
    def horner(typing: Any, x: Any):
        del typing

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            del context
            kind = arguments[0].type
            total = ir.Constant(kind, powers[signature.args[0]][0])
            fma = _fma_of(builder, kind)
            for power in powers[signature.args[0]][1:]:
                total = builder.call(fma, [total, arguments[0], ir.Constant(kind, float(power))])
            return total

        return x(x), emit

    horner.__name__ = name
    return horner


def _fma_of(builder: Any, kind: Any) -> Any:
    name = "llvm.fmuladd.f32" if isinstance(kind, ir.FloatType) else "llvm.fmuladd.f64"
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)


@intrinsic
def fused(typing: Any, a: Any, b: Any, c: Any):
    """Return a b + c, rounded once where the machine can."""
    del typing

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        return builder.call(_fma_of(builder, arguments[0].type), arguments)

    return a(a, a, a), emit


@intrinsic
def two_to_the(typing: Any, lifted: Any):
    """Return 2ⁿ for n + `MAGIC`, of a whole n that is an exponent of a normal number."""
    del typing

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        single = isinstance(arguments[0].type, ir.FloatType)
        whole, mantissa, bias = (ir.IntType(32), 23, 127) if single else (ir.IntType(64), 52, 1023)
        bits = builder.shl(builder.bitcast(arguments[0], whole), ir.Constant(whole, mantissa))
        return builder.bitcast(builder.add(bits, ir.Constant(whole, bias << mantissa)), arguments[0].type)

    return lifted(lifted), emit


_log2_e, _magic, _peak = constant("log2 e", LOG2_E), constant("magic", MAGIC), constant("1/√(2π)", PEAK)
_ln2_high = constant("ln 2", {kind: parts[0] for kind, parts in LN2.items()})
_ln2_low = constant("ln 2", {kind: parts[1] for kind, parts in LN2.items()})
_lowest, _highest = constant("lowest", LOWEST), constant("highest", HIGHEST)
zero, half, one, two, four = (constant(str(c), c) for c in (0.0, 0.5, 1.0, 2.0, 4.0))
_expm1_series, _tail_series = _polynomial("expm1", EXPM1), _polynomial("tail", TAIL)


@inlined
def _reduced(y):
    """Return a whole n with `MAGIC` added, n, and e^r − 1 of what is left: y = n ln 2 + r."""
    lifted = fused(y, _log2_e(y), _magic(y))
    n = lifted - _magic(y)
    r = fused(-n, _ln2_low(y), fused(-n, _ln2_high(y), y))
    return lifted, n, fused(r * r, _expm1_series(r), r)


@inlined
def exp_down(y):
    """Return e^y for y ≤ 0, right to the smallest number there is."""
    y = _lowest(y) if y < _lowest(y) else y
    _, n, rest = _reduced(y)
    # 2ⁿ in two factors: it can be below the smallest normal number.
    lifted = fused(n, half(y), _magic(y))
    return (one(y) + rest) * two_to_the(lifted) * two_to_the(n - (lifted - _magic(y)) + _magic(y))


@inlined
def tanh(x):
    """Return tanh x = m/(m + 2), m = e^{2|x|} − 1, with the sign of x."""
    y = abs(x) * two(x)
    y = _highest(x) if y > _highest(x) else y
    lifted, _, rest = _reduced(y)
    power = two_to_the(lifted)
    m = fused(power, rest, power - one(x))
    value = m / (m + two(x))
    return -value if x < zero(x) else value


@inlined
def normal(x):
    """Return Φ(−|x|) and the density at x."""
    z = abs(x)
    square = z * z
    low = fused(z, z, -square)
    # Far out everything is zero, and the low part may be no number.
    fade = exp_down(-half(x) * square)
    fade = fade if square > -_lowest(x) * four(x) else fused(fade, -half(x) * low, fade)
    t = (z - four(x)) / (z + four(x))
    return fade * _tail_series(t) / (one(x) + z), _peak(x) * fade


@intrinsic
def root(typing: Any, x: Any):
    """Return √x."""
    del typing

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        kind = arguments[0].type
        name = "llvm.sqrt.f32" if isinstance(kind, ir.FloatType) else "llvm.sqrt.f64"
        return builder.call(
            cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), name), arguments
        )

    return x(x), emit
