"""Increments of activation functions without cancellation: the formulas of `model.activations`, number by number."""

# Numba infers the types of what it compiles.
# pyright: basic

from pcsim.engine.lowering import GELU, LEAKY_RELU, LINEAR, RELU, SIGMOID, TANH
from pcsim.model.activations import NODES, REACH, SHARES
from pcsim_numba.kernels.compiled import inlined, part, stay_apart_and_wide
from pcsim_numba.kernels.elementary import constant, exp_down, half, normal, one, tanh, two, zero

_node_0, _node_1, _node_2, _node_3 = (constant("node", node) for node in NODES)
_share_0, _share_1, _share_2, _share_3 = (constant("share", share) for share in SHARES)
_reach, _four = constant("reach", REACH), constant("4", 4.0)


@inlined
def accumulate(total, low, d):
    """Return total + d, and the part that rounding kept out of it; `low` is that of the sums before."""
    low = low + d
    after = total + low
    return after, low - (after - total)


@part
def anchor(activation, points, below):
    """Write what the activation remembers of numbers p."""
    if activation == TANH:
        for k in range(len(points)):
            below[k] = exp_down(-two(points[k]) * abs(points[k]))
    elif activation == SIGMOID:
        for k in range(len(points)):
            below[k] = exp_down(-abs(points[k]))
    elif activation == GELU:
        for k in range(len(points)):
            below[k] = normal(points[k])[0]


@part
def increment(activation, negative_slope, points, lows, below, changes, slopes):
    """Replace changes d of numbers p by φ(p + d) − φ(p), and move p, what is remembered of it and φ' to p + d."""
    stay_apart_and_wide()
    if activation == TANH:
        for k in range(len(changes)):
            d = changes[k]
            q, lows[k] = accumulate(points[k], lows[k], d)
            above = exp_down(-two(q) * abs(q))
            changes[k] = _four(d) * _logistic(points[k], q, below[k], above, tanh(d))
            slopes[k] = _four(d) * above / ((one(d) + above) * (one(d) + above))
            points[k], below[k] = q, above
    elif activation == SIGMOID:
        for k in range(len(changes)):
            d = changes[k]
            q, lows[k] = accumulate(points[k], lows[k], d)
            above = exp_down(-abs(q))
            changes[k] = two(d) * _logistic(points[k], q, below[k], above, tanh(half(d) * d))
            slopes[k] = above / ((one(d) + above) * (one(d) + above))
            points[k], below[k] = q, above
    elif activation == RELU:
        for k in range(len(changes)):
            p, d = points[k], changes[k]
            points[k], lows[k] = accumulate(p, lows[k], d)
            positive = p if p > zero(p) else zero(p)
            moved = d + (p - positive)
            changes[k] = -positive if moved < -positive else moved
            slopes[k] = one(p) if points[k] > zero(p) else zero(p)
    elif activation == LEAKY_RELU:
        slope = slopes.dtype.type(negative_slope)
        for k in range(len(changes)):
            p, d = points[k], changes[k]
            q, lows[k] = accumulate(p, lows[k], d)
            falling = d if q > zero(q) else slope * q - p
            rising = q - slope * p if q > zero(q) else slope * d
            changes[k] = falling if p > zero(p) else rising
            slopes[k] = one(p) if q > zero(q) else slope
            points[k] = q
    elif activation == GELU:
        for k in range(len(changes)):
            p, d = points[k], changes[k]
            q, lows[k] = accumulate(p, lows[k], d)
            above, peak = normal(q)
            there = one(p) - above if q > zero(q) else above
            changes[k] = _gelu(p, q, d, below[k], above, there)
            slopes[k] = there + q * peak
            points[k], below[k] = q, above
    elif activation == LINEAR:
        for k in range(len(changes)):
            slopes[k] = one(changes[k])


@inlined
def _logistic(p, q, below, above, u):
    larger = below if below > above else above
    delta = u * (larger if p * q > zero(p) else one(p))
    return delta / ((one(p) + abs(u)) * (one(p) + below) * (one(p) + above))


@inlined
def _gelu(p, q, d, below, above, there):
    inside = _share_0(p) * normal(p + _node_0(p) * d)[1] + _share_1(p) * normal(p + _node_1(p) * d)[1]
    inside += _share_2(p) * normal(p + _node_2(p) * d)[1] + _share_3(p) * normal(p + _node_3(p) * d)[1]
    here = one(p) - below if p > zero(p) else below
    both_positive = p > zero(p) and q > zero(q)
    long = d * there + p * (below - above) if both_positive else q * there - p * here
    farther = abs(p) if abs(p) > abs(q) else abs(q)
    is_short = abs(d) * (one(p) + farther) <= _reach(p)
    return d * (there + p * inside) if is_short else long
