"""Plain steps of a chain: layers that read the one below and nothing else.

A layer's numbers on the way lie in room for two layers, not among those of all layers, and are used while they are in
the cache: what a step fetches from beyond it are the variables and the weights.
"""

# Numba infers the types of what it compiles.
# pyright: basic

from pcsim.engine.lowering import DECAY, DESCENT, PRECISION
from pcsim_numba.kernels.compiled import part
from pcsim_numba.kernels.layers import form_difference, predict, pull_back_to, saved, units
from pcsim_numba.kernels.plan import LD_IN, LD_OUT, SKIP, SOURCE
from pcsim_numba.kernels.rows import copy, difference, multiplied
from pcsim_numba.kernels.state import has_signal, measure
from pcsim_numba.kernels.steppers import descend, descend_with
from pcsim_numba.kernels.unchecked_slice import unchecked_slice


@part
def is_plain_chain(net, block, motion):
    """Whether ∂E/∂s of every state is its error, one pullback and nothing else, and steps are plain."""
    alone = motion.kind == DESCENT and motion.decay == 0.0 and motion.clip == 0.0 and len(block.shares) == 0
    for i in range(len(net.layers)):
        layer = net.layers[i]
        alone &= layer[SOURCE] == i - 1 and layer[SKIP] < 0 and net.scales[i, DECAY] == 0.0
    return alone


@part
def near(block, k, count):
    """Return room for `count` numbers of a layer, one of three such."""
    return unchecked_slice(block.near, k * (len(block.near) // 3), count)


@part
def pulled_to(net, block, j, errors, weight, slopes):
    """Return the weighted errors of layer j, pulled back to the state below, in `block.pulled`."""
    pulled = unchecked_slice(block.pulled, 0, block.rows * net.layers[j, LD_IN])
    pull_back_to(net, block, j, errors, weight, slopes, pulled)
    return pulled


@part
def climb_states(net, block, motion, watch, step):
    """Form errors and energies, note arrivals, and go along the gradient; errors are not kept but the output's."""
    last = len(net.layers) - 1
    for j in range(last + 1):
        states, slopes = units(net, block, block.states, j), saved(net, block, block.slopes, j)
        errors = near(block, j % 2, len(states)) if j < last else units(net, block, block.errors, j)
        if j >= block.known and j < last:
            slopes = near(block, 2, len(slopes))
            form_difference(net, block, j, states, errors, slopes)
        elif j >= block.known:
            predict(net, block, j, states)
        elif j < last:
            difference(states, units(net, block, block.predictions, j), errors)
        else:
            copy(units(net, block, block.predictions, j), states)
        measure(net, block, j, errors)
        if watch.arrivals[j] < 0 and has_signal(net, block, j, errors):
            watch.arrivals[j] = step
        if j > 0:
            pulled = pulled_to(net, block, j, errors, net.scales[j, PRECISION], slopes)
            below = units(net, block, block.states, j - 1)
            descend(motion, net.scales[j - 1, PRECISION], near(block, (j - 1) % 2, len(below)), pulled, below)


@part
def descend_errors(net, block, motion):
    """Move the errors along γ_i ε_i + ∂ℓ/∂s_i."""
    last = len(net.layers) - 1
    above = units(net, block, block.errors, last)
    total = near(block, last % 2, len(above))
    multiplied(above, -1.0, total)
    for i in range(last - 1, -1, -1):
        pulled = near(block, i % 2, block.rows * net.layers[i, LD_OUT])
        pull_back_to(net, block, i + 1, total, 1.0, saved(net, block, block.slopes, i + 1), pulled)
        descend_with(motion, net.scales[i, PRECISION], pulled, units(net, block, block.errors, i))
        total = pulled
