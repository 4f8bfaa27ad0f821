"""Activation functions: passes over pre-activations that leave values, or what is made of them, and derivatives."""

# Numba infers the types of what it compiles.
# pyright: basic

from typing import Any

from pcsim.engine.lowering import GELU, LEAKY_RELU, RELU, SIGMOID, TANH
from pcsim_numba.kernels.compiled import inlined, named, part, stay_apart, stay_apart_and_wide
from pcsim_numba.kernels.elementary import exp_down, fused, normal, one, tanh, zero


@inlined
def sigmoid(p):
    """Return 1/(1 + e^−p) and its derivative."""
    decayed = exp_down(-abs(p))
    total = one(p) + decayed
    return (one(p) if p >= zero(p) else decayed) / total, decayed / (total * total)


@inlined
def _tanh(p, negative_slope):
    value = tanh(p)
    return value, one(p) - value * value


@inlined
def _relu(p, negative_slope):
    return zero(p) if p < zero(p) else p, one(p) if p > zero(p) else zero(p)


@inlined
def _leaky_relu(p, negative_slope):
    return p if p > zero(p) else negative_slope * p, one(p) if p > zero(p) else negative_slope


@inlined
def _sigmoid(p, negative_slope):
    return sigmoid(p)


@inlined
def _gelu(p, negative_slope):
    tail, density = normal(p)
    phi = one(p) - tail if p > zero(p) else tail
    return p * phi, fused(p, density, phi)


@inlined
def _linear(p, negative_slope):
    return p, one(p)


def _in_place(phi: Any) -> Any:
    @inlined
    @named(phi.__name__)
    def run(negative_slope, factor, values, others, into, slopes):
        for k in range(len(values)):
            values[k], slopes[k] = phi(values[k], negative_slope)

    return run


def _subtracted(phi: Any) -> Any:
    @inlined
    @named(phi.__name__)
    def run(negative_slope, factor, points, others, into, slopes):
        for k in range(len(into)):
            value, slopes[k] = phi(points[k], negative_slope)
            into[k] = others[k] - factor * value

    return run


def _added(phi: Any) -> Any:
    @inlined
    @named(phi.__name__)
    def run(negative_slope, factor, points, others, into, slopes):
        for k in range(len(into)):
            value, slopes[k] = phi(points[k], negative_slope)
            into[k] = factor * value + others[k]

    return run


def _for_all(loop: Any, apart: Any) -> Any:
    """Return a pass that is told which activation it is of, compiled apart."""
    activations = _tanh, _relu, _leaky_relu, _sigmoid, _gelu, _linear
    on_tanh, on_relu, on_leaky_relu, on_sigmoid, on_gelu, on_linear = map(loop, activations)

    @part
    @named(loop.__name__)
    def run(activation, negative_slope, factor, points, others, into, slopes):
        apart()
        slope, scale = into.dtype.type(negative_slope), into.dtype.type(factor)
        if activation == TANH:
            on_tanh(slope, scale, points, others, into, slopes)
        elif activation == RELU:
            on_relu(slope, scale, points, others, into, slopes)
        elif activation == LEAKY_RELU:
            on_leaky_relu(slope, scale, points, others, into, slopes)
        elif activation == SIGMOID:
            on_sigmoid(slope, scale, points, others, into, slopes)
        elif activation == GELU:
            on_gelu(slope, scale, points, others, into, slopes)
        else:
            on_linear(slope, scale, points, others, into, slopes)

    return run


_activate = _for_all(_in_place, stay_apart)

subtract_activated = _for_all(_subtracted, stay_apart_and_wide)
"""Write others − factor · φ(p), and φ'(p) to `slopes`."""

add_activated = _for_all(_added, stay_apart_and_wide)
"""Write factor · φ(p) + others, and φ'(p) to `slopes`."""


@part
def activate(activation, negative_slope, values, slopes):
    """Replace numbers p by φ(p), and write φ'(p) to `slopes`."""
    _activate(activation, negative_slope, 1.0, values, values, values, slopes)
