"""State optimization of a block in the increment form: the errors are carried, and moved by increments."""

# Numba infers the types of what it compiles.
# pyright: basic

from pcsim.engine.lowering import NEGATIVE_SLOPE, PRECISION, PREMULTIPLIER
from pcsim_numba.kernels.chain import near, pulled_to
from pcsim_numba.kernels.compiled import part, stay_apart
from pcsim_numba.kernels.increments import accumulate, anchor, increment
from pcsim_numba.kernels.layers import affine, linear, saved, units
from pcsim_numba.kernels.plan import ACTIVATION, LD_IN, LD_OUT, SKIP, SOURCE, WEIGHTS_FIRST
from pcsim_numba.kernels.rows import add, clear, copy, scale, subtract
from pcsim_numba.kernels.state import evaluate_states, measure, move_variable, square, state_gradient
from pcsim_numba.kernels.steppers import descend_beside
from pcsim_numba.kernels.unchecked_slice import unchecked_slice


@part
def begin_increments(net, block):
    """Form errors and what is saved at the states, and an anchor for every layer above the first."""
    evaluate_states(net, block)
    for j in range(1, len(net.layers)):
        layer, below = net.layers[j], units(net, block, block.states, net.layers[j, SOURCE])
        points, remembered = saved(net, block, block.points, j), saved(net, block, block.below, j)
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
            moved = units(net, block, block.totals, net.layers[j, SOURCE])
            _carry_over(net, block, j, moved, True, net.layers[j, SKIP] >= 0)


@part
def climb_increments(net, block, motion):
    """Do the same to a plain chain: only the state below needs a layer's errors and slopes, and it moves first."""
    last = len(net.layers) - 1
    for j in range(last + 1):
        if j < last:
            above, slopes = units(net, block, block.errors, j + 1), saved(net, block, block.slopes, j + 1)
            pulled = pulled_to(net, block, j + 1, above, net.scales[j + 1, PRECISION], slopes)
            states, errors = units(net, block, block.states, j), units(net, block, block.errors, j)
            descend_beside(motion, net.scales[j, PRECISION], pulled, errors, states, near(block, j % 2, len(states)))
        if j > 0:
            moved = near(block, (j - 1) % 2, block.rows * net.layers[j, LD_IN])
            _carry_over(net, block, j, moved, True, False)


@part
def sweep_increments(net, block, motion, step):
    """Move layer by layer from the output down, errors kept up to date after each."""
    for i in range(len(net.layers) - 2, -1, -1):
        _find_change(net, block, motion, step, i, False, True)
        _move(net, block, i)
        for reader in range(net.first_reader[i], net.first_reader[i + 1]):
            j = net.readers[reader]
            moved = units(net, block, block.totals, net.layers[j, SOURCE])
            _carry_over(net, block, j, moved, net.layers[j, SOURCE] == i, net.layers[j, SKIP] == i)


@part
def _find_change(net, block, motion, step, i, wanted, moves):
    """Set the gradient of state i, and how far the stepper takes it."""
    gradient, change = state_gradient(net, block, i), units(net, block, block.totals, i)
    if wanted:
        square(net, block, i)
    if moves:
        clear(change)
        move_variable(net, block, motion, step, i, gradient, block.totals)


@part
def _move(net, block, i):
    change = units(net, block, block.totals, i)
    add(units(net, block, block.states, i), change)
    add(units(net, block, block.errors, i), change)


@part
def _carry_over(net, block, j, moved, source_moves, skip_moves):
    """Take the changes of the states that layer j reads over to its error, `moved` that of its source."""
    stay_apart()
    change = unchecked_slice(block.pulled, 0, block.rows * net.layers[j, LD_OUT])
    if source_moves:
        _increment(net, block, j, moved, change)
        scale(change, net.scales[j, PREMULTIPLIER])
    else:
        clear(change)
    if skip_moves:
        add(change, units(net, block, block.totals, net.layers[j, SKIP]))
    if j < len(net.layers) - 1:
        subtract(units(net, block, block.errors, j), change)
    else:
        outputs = units(net, block, block.states, j)
        for k in range(len(outputs)):
            outputs[k], block.output_low[k] = accumulate(outputs[k], block.output_low[k], change[k])
        measure(net, block, j, units(net, block, block.errors, j))


@part
def _increment(net, block, j, moved, change):
    """Write how the operation of layer j changes; saved and anchor go with it."""
    layer = net.layers[j]
    points, lows = saved(net, block, block.points, j), saved(net, block, block.lows, j)
    below, slopes = saved(net, block, block.below, j), saved(net, block, block.slopes, j)
    if layer[WEIGHTS_FIRST]:
        linear(net, block, j, moved, change)
        increment(layer[ACTIVATION], net.scales[j, NEGATIVE_SLOPE], points, lows, below, change, slopes)
    else:
        delta = unchecked_slice(block.scratch, 0, len(points))
        copy(moved, delta)
        increment(layer[ACTIVATION], net.scales[j, NEGATIVE_SLOPE], points, lows, below, delta, slopes)
        inputs, input_lows = (
            saved(net, block, block.inputs, j),
            saved(net, block, block.input_lows, j),
        )
        for k in range(len(inputs)):
            inputs[k], input_lows[k] = accumulate(inputs[k], input_lows[k], delta[k])
        linear(net, block, j, delta, change)
