"""A layer's prediction for the samples of a block, and the pullback of an error through it."""

# Numba infers the types of what it compiles.
# pyright: basic

from pcsim.engine.lowering import LINEAR, NEGATIVE_SLOPE, PREMULTIPLIER
from pcsim_numba.kernels.activations import activate, add_activated, subtract_activated
from pcsim_numba.kernels.compiled import part, stay_apart
from pcsim_numba.kernels.plan import (
    ACTIVATION,
    BACKWARD,
    BIAS,
    FORWARD,
    LD_IN,
    LD_OUT,
    N_IN,
    N_OUT,
    PLACE,
    SKIP,
    SOURCE,
    WEIGHTS_FIRST,
)
from pcsim_numba.kernels.products import multiply, multiply_and_add
from pcsim_numba.kernels.rows import add, copy, difference, multiplied, product, scale, times
from pcsim_numba.kernels.unchecked_slice import unchecked_slice


@part
def units(net, block, array, i):
    """Return the numbers of layer i in one of the block's arrays of units."""
    return unchecked_slice(array, block.rows * net.layers[i, PLACE], block.rows * net.layers[i, LD_OUT])


@part
def sample(net, block, array, i, r):
    """Return those of sample r alone, without what fills the row up to whole vectors."""
    layer = net.layers[i]
    return unchecked_slice(array, block.rows * layer[PLACE] + r * layer[LD_OUT], layer[N_OUT])


@part
def saved(net, block, array, i):
    """Return the numbers of layer i in an array that lies like the slopes."""
    layer = net.layers[i]
    ld = layer[LD_OUT] if layer[WEIGHTS_FIRST] else layer[LD_IN]
    return unchecked_slice(array, block.rows * block.slope_places[i], block.rows * ld)


@part
def linear(net, block, i, below, into):
    """Write what the weights of layer i make of numbers below, without bias."""
    layer = net.layers[i]
    weights = unchecked_slice(net.weights, layer[FORWARD], layer[BACKWARD] - layer[FORWARD])
    multiply(below, layer[LD_IN], weights, block.rows, layer[N_IN], into, layer[LD_OUT])


@part
def affine(net, block, i, below, into):
    """Write what weights and bias of layer i make of numbers below."""
    layer, at = net.layers[i], net.layers[i, BIAS]
    if at >= 0:
        weights = unchecked_slice(net.weights, layer[FORWARD], layer[BACKWARD] - layer[FORWARD])
        bias = unchecked_slice(net.biases, at, layer[LD_OUT])
        multiply_and_add(below, layer[LD_IN], weights, block.rows, layer[N_IN], bias, into, layer[LD_OUT])
    else:
        linear(net, block, i, below, into)


@part
def predict(net, block, i, into):
    """Write the prediction of layer i from the block's states to `into`, and what is saved to the block."""
    stay_apart()
    slopes = saved(net, block, block.slopes, i)
    _operate(net, block, i, into, slopes)
    _finish(net, block, i, into, slopes)


@part
def _finish(net, block, i, into, slopes):
    """Make the prediction of layer i of what `_operate` wrote."""
    layer = net.layers[i]
    if layer[WEIGHTS_FIRST]:
        activate(layer[ACTIVATION], net.scales[i, NEGATIVE_SLOPE], into, slopes)
    scale(into, net.scales[i, PREMULTIPLIER])
    if layer[SKIP] >= 0:
        add(into, units(net, block, block.states, layer[SKIP]))


@part
def form_difference(net, block, i, states, errors, slopes):
    """Write what the prediction of layer i leaves of its states, its slopes, and the inputs it saves to the block."""
    stay_apart()
    layer, points = net.layers[i], unchecked_slice(block.scratch, 0, len(states))
    _operate(net, block, i, points, slopes)
    factor = net.scales[i, PREMULTIPLIER]
    if layer[WEIGHTS_FIRST] and layer[SKIP] < 0:
        subtract_activated(layer[ACTIVATION], net.scales[i, NEGATIVE_SLOPE], factor, points, states, errors, slopes)
    else:
        _finish(net, block, i, points, slopes)
        difference(states, points, errors)


@part
def form_sum(net, block, i, errors, states):
    """Write the prediction of layer i and its errors added up, and what is saved to the block."""
    stay_apart()
    layer, points = net.layers[i], unchecked_slice(block.scratch, 0, len(states))
    slopes, factor = saved(net, block, block.slopes, i), net.scales[i, PREMULTIPLIER]
    if layer[WEIGHTS_FIRST] and layer[SKIP] < 0:
        _operate(net, block, i, points, slopes)
        add_activated(layer[ACTIVATION], net.scales[i, NEGATIVE_SLOPE], factor, points, errors, states, slopes)
    else:
        predict(net, block, i, states)
        add(states, errors)


@part
def _operate(net, block, i, into, slopes):
    """Write what weights and bias of layer i make of the state below, or of φ of it, which leaves its slopes."""
    layer, rows, source = net.layers[i], block.rows, net.layers[i, SOURCE]
    n = rows * layer[LD_IN]
    below = unchecked_slice(block.x, 0, n) if source < 0 else units(net, block, block.states, source)
    if layer[WEIGHTS_FIRST]:
        affine(net, block, i, below, into)
    else:
        inputs = saved(net, block, block.inputs, i)
        copy(below, inputs)
        activate(layer[ACTIVATION], net.scales[i, NEGATIVE_SLOPE], inputs, slopes)
        affine(net, block, i, inputs, into)


@part
def pull_back(net, block, i, errors, weight):
    """Return the weighted errors of layer i, pulled back to the state its operation reads, in `block.pulled`."""
    below = unchecked_slice(block.pulled, 0, block.rows * net.layers[i, LD_IN])
    pull_back_to(net, block, i, errors, weight, saved(net, block, block.slopes, i), below)
    return below


@part
def pull_back_to(net, block, i, errors, weight, slopes, below):
    """Write the weighted errors of layer i, pulled back with its slopes to the state its operation reads."""
    stay_apart()
    layer, rows = net.layers[i], block.rows
    ld_in, ld_out = layer[LD_IN], layer[LD_OUT]
    above = unchecked_slice(block.scratch, 0, rows * ld_out)
    weights = unchecked_slice(net.weights, layer[BACKWARD], ld_in * layer[N_OUT])
    curved, factor = layer[ACTIVATION] != LINEAR, weight * net.scales[i, PREMULTIPLIER]
    if curved and layer[WEIGHTS_FIRST]:
        product(errors, factor, slopes, above)
    elif factor != 1.0:
        multiplied(errors, factor, above)
    else:
        above = errors
    multiply(above, ld_out, weights, rows, layer[N_OUT], below, ld_in)
    if curved and not layer[WEIGHTS_FIRST]:
        times(below, slopes)
