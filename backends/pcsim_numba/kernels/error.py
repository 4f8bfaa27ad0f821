"""Error optimization of a block, and backpropagation: a pass up with errors, a chain of pullbacks down."""

# Numba infers the types of what it compiles.
# pyright: basic

from pcsim.engine.lowering import DECAY, PRECISION
from pcsim_numba.kernels.compiled import part
from pcsim_numba.kernels.layers import form_sum, predict, pull_back, units
from pcsim_numba.kernels.plan import SKIP, SOURCE
from pcsim_numba.kernels.rows import add, add_multiplied, copy, multiplied
from pcsim_numba.kernels.state import measure, move_variable, square
from pcsim_numba.kernels.unchecked_slice import unchecked_slice


@part
def evaluate_errors(net, block):
    """Set the states s_i = ŝ_i + ε_i of a pass from the input, the output error and the energies."""
    last = len(net.layers) - 1
    for i in range(last + 1):
        states, errors = units(net, block, block.states, i), units(net, block, block.errors, i)
        if i < block.known:
            copy(units(net, block, block.predictions, i), states)
            if i < last:
                add(states, errors)
        elif i < last:
            form_sum(net, block, i, errors, states)
        else:
            predict(net, block, i, states)
        measure(net, block, i, errors)


@part
def measure_errors(net, block):
    """Set the energies of errors on feedforward states, which never move."""
    for i in range(len(net.layers)):
        measure(net, block, i, units(net, block, block.errors, i))


@part
def advance_errors(net, block, motion, step, wanted, moves, at_once):
    """Move the errors along γ_i ε_i + ∂ℓ/∂s_i, or set them to −∂ℓ/∂s_i `at_once` (backpropagation)."""
    last = len(net.layers) - 1
    multiplied(units(net, block, block.errors, last), -1.0, units(net, block, block.totals, last))
    for i in range(last - 1, -1, -1):
        errors, total = units(net, block, block.errors, i), _backpropagated(net, block, i)
        gradient = unchecked_slice(block.gradient, 0, len(errors))
        copy(total, gradient)
        add_multiplied(gradient, 1.0 if at_once else net.scales[i, PRECISION], errors)
        if wanted:
            square(net, block, i)
        if moves and at_once:
            multiplied(total, -1.0, errors)
        elif moves:
            move_variable(net, block, motion, step, i, gradient, block.errors)


@part
def _backpropagated(net, block, i):
    """Return ∂/∂s_i of loss and activity decay in `block.totals`, from those above."""
    total = units(net, block, block.totals, i)
    multiplied(units(net, block, block.states, i), net.scales[i, DECAY], total)
    for reader in range(net.first_reader[i], net.first_reader[i + 1]):
        j = net.readers[reader]
        above = units(net, block, block.totals, j)
        if net.layers[j, SOURCE] == i:
            add(total, pull_back(net, block, j, above, 1.0))
        if net.layers[j, SKIP] == i:
            add(total, above)
    return total
