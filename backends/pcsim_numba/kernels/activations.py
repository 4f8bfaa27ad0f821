"""Activation functions: the values in place, and the derivatives beside them."""

# Numba infers the types of what it compiles.
# pyright: basic

from pcsim.engine.lowering import GELU, LEAKY_RELU, LINEAR, RELU, SIGMOID, TANH
from pcsim_numba.kernels.compiled import inlined, part, stay_apart
from pcsim_numba.kernels.elementary import exp_down, fused, normal, one, tanh, zero


@inlined
def sigmoid(p):
    """Return 1/(1 + e^−p) and its derivative."""
    decayed = exp_down(-abs(p))
    total = one(p) + decayed
    return (one(p) if p >= zero(p) else decayed) / total, decayed / (total * total)


@inlined
def _gelu(p):
    tail, density = normal(p)
    phi = one(p) - tail if p > zero(p) else tail
    return p * phi, fused(p, density, phi)


@part
def activate(activation, negative_slope, values, slopes):
    """Replace numbers p by φ(p), and write φ'(p) to `slopes`."""
    stay_apart()
    if activation == TANH:
        for k in range(len(values)):
            value = tanh(values[k])
            values[k] = value
            slopes[k] = one(value) - value * value
    elif activation == LINEAR:
        for k in range(len(values)):
            slopes[k] = one(values[k])
    elif activation == RELU:
        for k in range(len(values)):
            p = values[k]
            values[k] = zero(p) if p < zero(p) else p
            slopes[k] = one(p) if p > zero(p) else zero(p)
    elif activation == LEAKY_RELU:
        slope = slopes.dtype.type(negative_slope)
        for k in range(len(values)):
            p = values[k]
            values[k] = p if p > zero(p) else slope * p
            slopes[k] = one(p) if p > zero(p) else slope
    elif activation == SIGMOID:
        for k in range(len(values)):
            values[k], slopes[k] = sigmoid(values[k])
    elif activation == GELU:
        for k in range(len(values)):
            values[k], slopes[k] = _gelu(values[k])
