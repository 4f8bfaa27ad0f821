"""State optimization of a block: errors from states, and the states along the gradient."""

# Numba infers the types of what it compiles.
# pyright: basic

from pcsim.engine.lowering import DECAY, PRECISION
from pcsim_numba.kernels.compiled import part, stay_apart
from pcsim_numba.kernels.layers import form_difference, predict, pull_back, sample, saved, units
from pcsim_numba.kernels.losses import output_loss
from pcsim_numba.kernels.plan import LD_OUT, N_OUT, SKIP, SOURCE
from pcsim_numba.kernels.rows import (
    add_multiplied,
    any_nonzero,
    clip,
    copy,
    difference,
    multiplied,
    subtract,
    sum_of_squares,
)
from pcsim_numba.kernels.steppers import move, shortened
from pcsim_numba.kernels.unchecked_slice import unchecked_slice


@part
def begin_block(net, block):
    """Set the states to a feedforward pass, and the predictions that cannot change."""
    for i in range(len(net.layers)):
        states = units(net, block, block.states, i)
        predict(net, block, i, states)
        if i < block.known:
            copy(states, units(net, block, block.predictions, i))


@part
def evaluate_states(net, block):
    """Form the errors ε_i = s_i − ŝ_i and the energies at the block's states."""
    for i in range(len(net.layers)):
        form_error(net, block, i)
        measure(net, block, i, units(net, block, block.errors, i))


@part
def form_error(net, block, i):
    """Predict layer i from the states, and form its error; the output layer's is a matter of the loss."""
    stay_apart()
    states, is_output = units(net, block, block.states, i), i == len(net.layers) - 1
    predictions = units(net, block, block.predictions, i)
    if is_output and i < block.known:
        copy(predictions, states)
    elif is_output:
        predict(net, block, i, states)
    elif i >= block.known and not block.keeps:
        slopes = saved(net, block, block.slopes, i)
        form_difference(net, block, i, states, units(net, block, block.errors, i), slopes)
    else:
        if i >= block.known:
            predict(net, block, i, predictions)
        difference(states, predictions, units(net, block, block.errors, i))


@part
def measure(net, block, i, errors):
    """Set the energies of layer i with these errors, which are set where it is the output."""
    stay_apart()
    is_output, ld, n = i == len(net.layers) - 1, net.layers[i, LD_OUT], net.layers[i, N_OUT]
    for r in range(block.rows):
        own = unchecked_slice(errors, r * ld, n)
        if is_output:
            target, outputs = unchecked_slice(block.y, r * ld, n), sample(net, block, block.states, i, r)
            block.energies[i, r] = output_loss(net.loss, net.share, outputs, target, own)
        else:
            block.energies[i, r] = 0.5 * (net.scales[i, PRECISION] * sum_of_squares(own))


@part
def has_signal(net, block, i, errors):
    """Whether any unit of layer i has an error."""
    ld, n = net.layers[i, LD_OUT], net.layers[i, N_OUT]
    found = False
    for r in range(block.rows):
        found |= any_nonzero(unchecked_slice(errors, r * ld, n))
    return found


@part
def state_gradient(net, block, i):
    """Return ∇_{s_i}E = γ_i ε_i − Σ_j g_j(γ_j ε_j) + δ_i s_i in `block.gradient`."""
    stay_apart()
    gradient = unchecked_slice(block.gradient, 0, block.rows * net.layers[i, LD_OUT])
    multiplied(units(net, block, block.errors, i), net.scales[i, PRECISION], gradient)
    for reader in range(net.first_reader[i], net.first_reader[i + 1]):
        j = net.readers[reader]
        errors, gamma = units(net, block, block.errors, j), net.scales[j, PRECISION]
        if net.layers[j, SOURCE] == i:
            subtract(gradient, pull_back(net, block, j, errors, gamma))
        if net.layers[j, SKIP] == i:
            add_multiplied(gradient, -gamma, errors)
    add_multiplied(gradient, net.scales[i, DECAY], units(net, block, block.states, i))
    return gradient


@part
def square(net, block, i):
    """Set the squares of the gradient of variable i, which is in `block.gradient`."""
    ld, n = net.layers[i, LD_OUT], net.layers[i, N_OUT]
    for r in range(block.rows):
        block.squares[i, r] = sum_of_squares(unchecked_slice(block.gradient, r * ld, n))


@part
def move_variable(net, block, motion, step, i, gradient, variables):
    """Move variable i along its gradient, which is clipped first."""
    if motion.clip > 0.0:
        for r in range(block.rows):
            clip(unchecked_slice(gradient, r * net.layers[i, LD_OUT], net.layers[i, N_OUT]), motion.clip)
    first = units(net, block, block.first, i) if len(block.first) else gradient
    second = units(net, block, block.second, i) if len(block.second) else gradient
    moving, ld = units(net, block, variables, i), net.layers[i, LD_OUT]
    if len(block.shares) == 0:
        move(motion, step, gradient, moving, first, second)
    for r in range(len(block.shares)):
        at, own = r * ld, shortened(motion, block.shares[r])
        move(
            own,
            step,
            unchecked_slice(gradient, at, ld),
            unchecked_slice(moving, at, ld),
            unchecked_slice(first, at, ld),
            unchecked_slice(second, at, ld),
        )


@part
def halve(net, block):
    """Halve the step size of every row whose total energy has risen in the last step."""
    for r in range(len(block.shares)):
        total = 0.0
        for i in range(len(net.layers)):
            total += block.energies[i, r]
            if net.scales[i, DECAY] != 0.0:
                total += 0.5 * net.scales[i, DECAY] * sum_of_squares(sample(net, block, block.states, i, r))
        if total > block.highest[r]:
            block.shares[r] *= 0.5
        block.highest[r] = total


@part
def advance_states(net, block, motion, step, wanted, moves):
    """Go along the gradient, all layers at once; norms are squared where `wanted`, states stay unless it `moves`."""
    for i in range(len(net.layers) - 1):
        gradient = state_gradient(net, block, i)
        if wanted:
            square(net, block, i)
        if moves:
            move_variable(net, block, motion, step, i, gradient, block.states)


@part
def sweep(net, block, motion, step):
    """Move layer by layer from the output down, errors formed anew with the newest states."""
    for i in range(len(net.layers) - 2, -1, -1):
        gradient, states = state_gradient(net, block, i), units(net, block, block.states, i)
        move_variable(net, block, motion, step, i, gradient, block.states)
        difference(states, units(net, block, block.predictions, i), units(net, block, block.errors, i))
        for reader in range(net.first_reader[i], net.first_reader[i + 1]):
            j = net.readers[reader]
            # Only a layer that another state of this sweep still reads is needed again.
            if net.layers[j, SOURCE] < i or 0 <= net.layers[j, SKIP] < i:
                form_error(net, block, j)
