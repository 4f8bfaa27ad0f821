"""State optimization of a block in the increment form: the errors are carried, and moved by increments."""

# Numba infers the types of what it compiles.
# pyright: basic

from pcsim.engine.lowering import NEGATIVE_SLOPE, PREMULTIPLIER
from pcsim_numba.kernels.compiled import part, stay_apart
from pcsim_numba.kernels.increments import accumulate, anchor, increment
from pcsim_numba.kernels.layers import affine, linear, units
from pcsim_numba.kernels.plan import ACTIVATION, LD_IN, LD_OUT, SKIP, SOURCE, WEIGHTS_FIRST
from pcsim_numba.kernels.rows import add, copy, multiplied, scale, subtract
from pcsim_numba.kernels.state import evaluate_states, measure, move_variable, square, state_gradient
from pcsim_numba.kernels.unchecked_slice import unchecked_slice


@part
def begin_increments(net, block):
    """Form errors and what is saved at the states, and an anchor for every layer above the first."""
    evaluate_states(net, block)
    for j in range(1, len(net.layers)):
        layer, below = net.layers[j], units(net, block, block.states, net.layers[j, SOURCE])
        points, remembered = _saved(net, block, block.points, j), _saved(net, block, block.below, j)
        if layer[WEIGHTS_FIRST]:
            affine(net, block, j, below, points)
        else:
            copy(below, points)
        anchor(layer[ACTIVATION], points, remembered)


@part
def advance_increments(net, block, motion, step, wanted, moves):
    """Move all states at once, and the errors by Δs_i − Δf_i."""
    last = len(net.layers) - 1
    for i in range(last):
        _find_change(net, block, motion, step, i, wanted, moves)
    if moves:
        for i in range(last):
            _move(net, block, i)
        for j in range(1, last + 1):
            _carry_over(net, block, j, True, net.layers[j, SKIP] >= 0)


@part
def sweep_increments(net, block, motion, step):
    """Move layer by layer from the output down, errors kept up to date after each."""
    for i in range(len(net.layers) - 2, -1, -1):
        _find_change(net, block, motion, step, i, False, True)
        _move(net, block, i)
        for reader in range(net.first_reader[i], net.first_reader[i + 1]):
            j = net.readers[reader]
            _carry_over(net, block, j, net.layers[j, SOURCE] == i, net.layers[j, SKIP] == i)


@part
def _saved(net, block, array, j):
    """Return the numbers of layer j in an array that lies like the slopes."""
    layer = net.layers[j]
    ld = layer[LD_OUT] if layer[WEIGHTS_FIRST] else layer[LD_IN]
    return unchecked_slice(array, block.rows * block.slope_places[j], block.rows * ld)


@part
def _find_change(net, block, motion, step, i, wanted, moves):
    """Set the gradient of state i, and how far the stepper takes it."""
    gradient, change = state_gradient(net, block, i), units(net, block, block.totals, i)
    if wanted:
        square(net, block, i)
    if moves:
        multiplied(change, 0.0, change)
        move_variable(net, block, motion, step, i, gradient, block.totals)


@part
def _move(net, block, i):
    change = units(net, block, block.totals, i)
    add(units(net, block, block.states, i), change)
    add(units(net, block, block.errors, i), change)


@part
def _carry_over(net, block, j, source_moves, skip_moves):
    """Take the change of the states that layer j reads over to its error."""
    stay_apart()
    change = unchecked_slice(block.pulled, 0, block.rows * net.layers[j, LD_OUT])
    if source_moves:
        _increment(net, block, j, change)
        scale(change, net.scales[j, PREMULTIPLIER])
    else:
        multiplied(change, 0.0, change)
    if skip_moves:
        add(change, units(net, block, block.totals, net.layers[j, SKIP]))
    if j < len(net.layers) - 1:
        subtract(units(net, block, block.errors, j), change)
    else:
        outputs = units(net, block, block.states, j)
        for k in range(len(outputs)):
            outputs[k], block.output_low[k] = accumulate(outputs[k], block.output_low[k], change[k])
        measure(net, block, j)


@part
def _increment(net, block, j, change):
    """Write how the operation of layer j changes; saved and anchor go with it."""
    layer, moved = net.layers[j], units(net, block, block.totals, net.layers[j, SOURCE])
    points, lows = _saved(net, block, block.points, j), _saved(net, block, block.lows, j)
    below, slopes = _saved(net, block, block.below, j), _saved(net, block, block.slopes, j)
    if layer[WEIGHTS_FIRST]:
        linear(net, block, j, moved, change)
        increment(layer[ACTIVATION], net.scales[j, NEGATIVE_SLOPE], points, lows, below, change, slopes)
    else:
        delta = unchecked_slice(block.scratch, 0, len(points))
        copy(moved, delta)
        increment(layer[ACTIVATION], net.scales[j, NEGATIVE_SLOPE], points, lows, below, delta, slopes)
        inputs, input_lows = (
            _saved(net, block, block.inputs, j),
            _saved(net, block, block.input_lows, j),
        )
        for k in range(len(inputs)):
            inputs[k], input_lows[k] = accumulate(inputs[k], input_lows[k], delta[k])
        linear(net, block, j, delta, change)
