"""What Python calls: the start of a block, and a stretch of steps with the rows they leave."""

# Numba infers the types of what it compiles.
# pyright: basic

import math
from typing import Any, NamedTuple

import numpy as np

from pcsim.engine.lowering import BACKPROP, ERROR, INCREMENT, SEQUENTIAL, SEQUENTIAL_INCREMENT, STATE
from pcsim.typing import NDArray
from pcsim_numba.kernels.borrowed import borrowed
from pcsim_numba.kernels.chain import climb_states, descend_errors, is_plain_chain
from pcsim_numba.kernels.compiled import STAMP, entry, part
from pcsim_numba.kernels.error import advance_errors, evaluate_errors, measure_errors
from pcsim_numba.kernels.increment import advance_increments, begin_increments, climb_increments, sweep_increments
from pcsim_numba.kernels.layers import sample, units
from pcsim_numba.kernels.plan import N_OUT
from pcsim_numba.kernels.rows import copy, sum_of_squares
from pcsim_numba.kernels.state import advance_states, begin_block, evaluate_states, halve, has_signal, sweep
from pcsim_numba.kernels.unchecked_slice import unchecked_slice

MET, NOT_FINITE = 1, 2


class RowBuffers(NamedTuple):
    """Recorded rows of all samples; those that are not recorded have no rows.

    `layerwise` and `norms` are (rows, layers, batch); `states` and `errors` (rows, numbers), a layer's (batch, units)
    after another.
    """

    layerwise: NDArray[np.float64]
    norms: NDArray[np.float64]
    states: NDArray[Any]
    errors: NDArray[Any]


class Watch(NamedTuple):
    """What is watched of a block on its way: arrival steps (−1 before), and a flag a step of the stretch.

    A step is flagged where a block's energies are not finite, or its samples meet the stop rule: norms of the gradient
    at most `norm`, energies changed by at most `change` times themselves (nan: not asked for).
    """

    arrivals: NDArray[np.int64]
    flags: NDArray[np.int8]
    norm: float
    change: float


def _compile_begin(stamp: int) -> Any:
    @entry
    def begin(net, block):
        """Set a block to a feedforward pass."""
        _ = stamp
        begin_block(borrowed(net), borrowed(block))

    return begin


def _compile_carry(stamp: int) -> Any:
    @entry
    def carry(net, block):
        """Let a block carry the errors at its states from here on, for the increment form."""
        _ = stamp
        begin_increments(borrowed(net), borrowed(block))

    return carry


def _compile_proceed(stamp: int) -> Any:
    @entry
    def proceed(method, net, block, offset, motion, first, last, due, rows, watch):
        """Look at the steps from `first` to `last`, record those in `due`, and move on after all but the last.

        `offset` is the first of the block's samples among all. Ends where energies are not finite.
        """
        _ = stamp
        net, block, rows, watch = borrowed(net), borrowed(block), borrowed(rows), borrowed(watch)
        row, is_chain = 0, is_plain_chain(net, block, motion)
        for step in range(first, last + 1):
            recorded = row < len(due) and due[row] == step
            keeps = recorded and len(rows.states) + len(rows.errors) > 0
            with_norms = (recorded and len(rows.norms) > 0) or not math.isnan(watch.norm)
            at_once = method == STATE and is_chain and step < last and not (keeps or with_norms)
            if at_once:
                climb_states(net, block, motion, watch, step)
            else:
                _evaluate(method, net, block)
                _note_arrivals(net, block, watch, step)
            if recorded:
                _record(net, block, offset, rows, row)
            finite = _is_finite(block.energies)
            if at_once and not finite:
                # Errors are to be there, and to tell.
                evaluate_states(net, block)
            elif is_chain and step < last and finite and not with_norms and method in (ERROR, INCREMENT):
                _advance_chain(method, net, block, motion)
            elif not at_once:
                _advance(method, net, block, motion, step + 1, with_norms, step < last and finite)
            if recorded:
                _record_norms(net, block, offset, rows, row)
                row += 1
            if not finite:
                watch.flags[step - first] = NOT_FINITE
                break
            if _is_met(block, watch):
                watch.flags[step - first] = MET
            # A stretch looks once more at the step the last one ended at.
            if step < last:
                block.before[:] = block.energies

    return proceed


begin = _compile_begin(STAMP)
carry = _compile_carry(STAMP)
proceed = _compile_proceed(STAMP)


@part
def _evaluate(method, net, block):
    if method == ERROR:
        evaluate_errors(net, block)
    elif method in (BACKPROP, INCREMENT, SEQUENTIAL_INCREMENT):
        measure_errors(net, block)
    else:
        evaluate_states(net, block)


@part
def _advance_chain(method, net, block, motion):
    if method == ERROR:
        descend_errors(net, block, motion)
    else:
        climb_increments(net, block, motion)


@part
def _advance(method, net, block, motion, step, wanted, moves):
    """Square the gradient's norms where `wanted`, and take a step if it `moves`."""
    if moves:
        halve(net, block)
    if wanted:
        last = len(net.layers) - 1
        for r in range(block.rows):
            block.squares[last, r] = sum_of_squares(sample(net, block, block.errors, last, r))
    if method in (SEQUENTIAL, SEQUENTIAL_INCREMENT):
        if wanted:
            advance_states(net, block, motion, step, True, False)
        if moves and method == SEQUENTIAL:
            sweep(net, block, motion, step)
        elif moves:
            sweep_increments(net, block, motion, step)
    elif wanted or moves:
        _advance_all(method, net, block, motion, step, wanted, moves)


@part
def _advance_all(method, net, block, motion, step, wanted, moves):
    if method == STATE:
        advance_states(net, block, motion, step, wanted, moves)
    elif method == INCREMENT:
        advance_increments(net, block, motion, step, wanted, moves)
    else:
        advance_errors(net, block, motion, step, wanted, moves, method == BACKPROP)


@part
def _note_arrivals(net, block, watch, step):
    for i in range(len(net.layers)):
        if watch.arrivals[i] < 0 and has_signal(net, block, i, units(net, block, block.errors, i)):
            watch.arrivals[i] = step


@part
def _is_finite(energies):
    for i in range(energies.shape[0]):
        for r in range(energies.shape[1]):
            if not math.isfinite(energies[i, r]):
                return False
    return True


@part
def _is_met(block, watch):
    if not math.isnan(watch.change):
        for i in range(block.energies.shape[0]):
            for r in range(block.rows):
                energy = block.energies[i, r]
                if not abs(energy - block.before[i, r]) <= watch.change * energy:
                    return False
    if not math.isnan(watch.norm):
        for r in range(block.rows):
            total = 0.0
            for i in range(block.squares.shape[0] - 1):
                total += block.squares[i, r]
            if not math.sqrt(total) <= watch.norm:
                return False
    return True


@part
def _record(net, block, offset, rows, row):
    batch = rows.layerwise.shape[2]
    rows.layerwise[row, :, offset : offset + block.rows] = block.energies
    if len(rows.states) > 0:
        _record_units(net, block, block.states, offset, batch, rows.states[row])
    if len(rows.errors) > 0:
        _record_units(net, block, block.errors, offset, batch, rows.errors[row])


@part
def _record_units(net, block, array, offset, batch, row):
    before = 0
    for i in range(len(net.layers)):
        n = net.layers[i, N_OUT]
        for r in range(block.rows):
            copy(sample(net, block, array, i, r), unchecked_slice(row, before + (offset + r) * n, n))
        before += batch * n


@part
def _record_norms(net, block, offset, rows, row):
    if len(rows.norms) > 0:
        for i in range(len(net.layers)):
            for r in range(block.rows):
                rows.norms[row, i, offset + r] = math.sqrt(block.squares[i, r])
