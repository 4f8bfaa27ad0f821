"""Arrays in float16 and bfloat16 that compute as hardware does: every result is rounded to the format.

Elementwise results are rounded one by one; products and sums are rounded once accumulated (`rounding.Accumulator`).
Values are held in float32, which every number of either format fits in exactly. Python numbers are float32 constants,
as kernels keep them in registers: a step size of 0.3 rounded to bfloat16 would scale a signal by 1.003 a layer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import DTypeLike

from pcsim.model.arithmetic import Arithmetic
from pcsim.typing import NDArray
from pcsim_numpy.number.rounding import (
    FORMATS,
    Accumulator,
    Float32Accumulator,
    Float32s,
    Format,
    Law,
    NarrowAccumulator,
    Nearest,
    Stochastic,
)

EXACT = frozenset({np.negative, np.positive, np.absolute, np.maximum, np.minimum})
"""Functions whose results need no rounding: they return one of their arguments, or its negative."""

MOVING = frozenset(
    {
        np.broadcast_to,
        np.concatenate,
        np.expand_dims,
        np.moveaxis,
        np.repeat,
        np.reshape,
        np.squeeze,
        np.stack,
        np.swapaxes,
        np.take,
        np.transpose,
        np.where,
        np.zeros_like,
    }
)
"""numpy's functions that move numbers and compute none; the others are refused, since they would not round."""


@dataclass(frozen=True, eq=False)
class Unit:
    """The arithmetic unit that all arrays of a run share: a rounding law and an accumulator."""

    law: Law
    accumulator: Accumulator

    def constant(self, value: float) -> Any:
        """Return a number as a constant of the format, to nearest under every law: it is fixed before the run."""
        return np.float64(value).astype(self.law.format.dtype).astype(np.float32)

    def array(self, host: NDArray[np.float64]) -> "Rounded":
        """Return a host array rounded to nearest."""
        return Rounded(host.astype(self.law.format.dtype).astype(np.float32), self)


def unit_of(precision: str, arithmetic: Arithmetic) -> Unit:
    """Return a fresh unit for "float16" or "bfloat16"; stochastic rounding starts at the seed."""
    random = np.random.default_rng(arithmetic.seed)
    laws: dict[str, Callable[[Format], Law]] = {
        "nearest": Nearest,
        "stochastic": lambda format: Stochastic(format, random),
    }
    law = laws[arithmetic.rounding]
    if arithmetic.accumulate == "float32":
        return Unit(law(FORMATS[precision]), Float32Accumulator())
    return Unit(law(FORMATS[precision]), NarrowAccumulator(law(FORMATS[arithmetic.accumulate])))


class Rounded(NDArrayOperatorsMixin):
    """An array of float16 or bfloat16 numbers with numpy's operators and ufuncs.

    It is no `ndarray`, so that none of its methods can compute without rounding. Comparisons give plain arrays of
    booleans, and those are the only plain arrays it computes with.
    """

    __slots__ = ("unit", "values")

    def __init__(self, values: Float32s, unit: Unit) -> None:
        self.values = values
        self.unit = unit

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.values.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.values.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """The format."""
        return self.unit.law.format.dtype

    @property
    def T(self) -> "Rounded":  # noqa: N802
        """The transposed view."""
        return Rounded(self.values.T, self.unit)

    def reshape(self, *shape: int) -> "Rounded":
        """Return the same numbers in another shape."""
        return Rounded(self.values.reshape(*shape), self.unit)

    def transpose(self, *axes: int) -> "Rounded":
        """Return a view with the axes in another order."""
        return Rounded(self.values.transpose(*axes), self.unit)

    def swapaxes(self, first: int, second: int) -> "Rounded":
        """Return a view with two axes exchanged."""
        return Rounded(self.values.swapaxes(first, second), self.unit)

    def astype(self, dtype: DTypeLike, copy: bool = True) -> NDArray[Any]:
        """Return a plain array of another type: what it computes is no longer rounded."""
        return self.values.astype(dtype, copy=copy)

    def __getitem__(self, index: Any) -> "Rounded":
        return Rounded(np.asarray(self.values[index]), self.unit)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.values, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "reduce":
            return self._reduce(ufunc, **options)
        out: tuple[Any, ...] = options.pop("out", ())
        # What a function hands through unrounded must itself be a number of the format.
        number = self.unit.constant if ufunc in EXACT else np.float32
        operands = [self._operand(x, number) for x in inputs]
        known = ufunc is np.matmul or (ufunc.signature is None and ufunc.nout == 1)
        fits = all(x is not None for x in operands) and all(isinstance(x, Rounded) for x in out)
        if method != "__call__" or options or not known or not fits:
            return NotImplemented
        # Float32 holds at least twice the digits of either format plus two, so that rounding +, −, ×, / and √
        # first to float32 and then to the format gives what a single rounding gives (Figueroa 1995).
        compute = self.unit.accumulator.matmul if ufunc is np.matmul else ufunc
        values = np.asarray(compute(*operands))
        if values.dtype == np.bool_:
            return values
        rounded = values if ufunc in EXACT else self.unit.law(values)
        if not out:
            return Rounded(rounded, self.unit)
        out[0].values[...] = rounded
        return out[0]

    def _reduce(self, ufunc: np.ufunc, axis: int = 0, keepdims: bool = False, **options: Any) -> Any:
        if options:
            return NotImplemented
        if ufunc is np.add:
            return Rounded(self.unit.law(self.unit.accumulator.sum(self.values, axis, keepdims)), self.unit)
        if ufunc in EXACT:
            return Rounded(np.asarray(ufunc.reduce(self.values, axis=axis, keepdims=keepdims)), self.unit)
        return NotImplemented

    def _operand(self, x: Any, number: Callable[[float], Any]) -> Any:
        if isinstance(x, Rounded):
            return x.values if x.unit is self.unit else None
        if isinstance(x, int | float | np.number):
            return number(float(x))
        return x if isinstance(x, np.ndarray) and x.dtype == np.bool_ else None

    def __array_function__(
        self, function: Callable[..., Any], types: Any, arguments: Any, options: dict[str, Any]
    ) -> Any:
        if function not in MOVING:
            return NotImplemented
        if function is np.where:
            condition, a, b = arguments
            arguments = condition, self._operand(a, self.unit.constant), self._operand(b, self.unit.constant)
            if arguments[1] is None or arguments[2] is None:
                return NotImplemented
        return Rounded(function(*_plain(arguments), **options), self.unit)


def _plain(value: Any) -> Any:
    """Return the arguments of a function with the values of rounded arrays in their place."""
    if isinstance(value, Rounded):
        return value.values
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value
