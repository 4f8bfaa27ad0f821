"""A layer's prediction for the samples of a block, and the pullback of an error through it."""

# Numba infers the types of what it compiles.
# pyright: basic

from pcsim.engine.lowering import LINEAR, NEGATIVE_SLOPE, PREMULTIPLIER
from pcsim_numba.kernels.activations import activate
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
from pcsim_numba.kernels.products import multiply
from pcsim_numba.kernels.rows import add, copy, multiplied, scale
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
def linear(net, block, i, below, into):
    """Write what the weights of layer i make of numbers below, without bias."""
    layer = net.layers[i]
    weights = unchecked_slice(net.weights, layer[FORWARD], layer[BACKWARD] - layer[FORWARD])
    multiply(below, layer[LD_IN], weights, block.rows, layer[N_IN], into, layer[LD_OUT])


@part
def affine(net, block, i, below, into):
    """Write what weights and bias of layer i make of numbers below."""
    linear(net, block, i, below, into)
    at, ld = net.layers[i, BIAS], net.layers[i, LD_OUT]
    if at >= 0:
        bias = unchecked_slice(net.biases, at, ld)
        for r in range(block.rows):
            add(unchecked_slice(into, r * ld, ld), bias)


@part
def predict(net, block, i, into):
    """Write the prediction of layer i from the block's states to `into`, and what is saved to the block."""
    stay_apart()
    layer, rows, source = net.layers[i], block.rows, net.layers[i, SOURCE]
    ld_in, ld_out = layer[LD_IN], layer[LD_OUT]
    below = unchecked_slice(block.x, 0, rows * ld_in) if source < 0 else units(net, block, block.states, source)
    negative_slope, saved = net.scales[i, NEGATIVE_SLOPE], rows * block.slope_places[i]
    if layer[WEIGHTS_FIRST]:
        affine(net, block, i, below, into)
        activate(layer[ACTIVATION], negative_slope, into, unchecked_slice(block.slopes, saved, rows * ld_out))
    else:
        inputs = unchecked_slice(block.inputs, saved, rows * ld_in)
        copy(below, inputs)
        activate(layer[ACTIVATION], negative_slope, inputs, unchecked_slice(block.slopes, saved, rows * ld_in))
        affine(net, block, i, inputs, into)
    scale(into, net.scales[i, PREMULTIPLIER])
    if layer[SKIP] >= 0:
        add(into, units(net, block, block.states, layer[SKIP]))


@part
def pull_back(net, block, i, errors, weight):
    """Return the weighted errors of layer i, pulled back to the state its operation reads, in `block.pulled`."""
    stay_apart()
    layer, rows = net.layers[i], block.rows
    ld_in, ld_out = layer[LD_IN], layer[LD_OUT]
    above, below = unchecked_slice(block.scratch, 0, rows * ld_out), unchecked_slice(block.pulled, 0, rows * ld_in)
    weights = unchecked_slice(net.weights, layer[BACKWARD], ld_in * layer[N_OUT])
    curved = layer[ACTIVATION] != LINEAR
    saved = rows * block.slope_places[i]
    multiplied(errors, weight * net.scales[i, PREMULTIPLIER], above)
    if curved and layer[WEIGHTS_FIRST]:
        _times(above, unchecked_slice(block.slopes, saved, rows * ld_out))
    multiply(above, ld_out, weights, rows, layer[N_OUT], below, ld_in)
    if curved and not layer[WEIGHTS_FIRST]:
        _times(below, unchecked_slice(block.slopes, saved, rows * ld_in))
    return below


@part
def _times(into, factors):
    for k in range(len(into)):
        into[k] *= factors[k]
