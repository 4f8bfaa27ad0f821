"""Some samples of a run with all that moves: they are settled together, by one thread, without looking at others."""

from typing import Any, NamedTuple

import numpy as np

from pcsim.typing import NDArray
from pcsim_numba.kernels.memory import aligned
from pcsim_numba.kernels.plan import LD_IN, LD_OUT, N_IN, N_OUT, PLACE, Plan


class Block(NamedTuple):
    """Flat arrays, a layer's (rows, units) matrix after another, every row whole vectors long.

    `predictions` holds those that cannot change, and all of them where a method asks for it (`keeps`); `known` counts
    the former. `totals` are ∂/∂s in error optimization, and how far states move in the increment form, which keeps an
    anchor beside the slopes: `points` with their `lows`, and what is remembered `below`. `inputs` is φ(s) where a layer
    takes the activation first. The errors of the output layer and the output lie behind the other errors and states.
    `first` and `second` are what a stepper remembers. Where step sizes are halved, each row has what is left of its own
    in `shares`, and in `highest` its total energy before the last step. `near` has room for three layers. `energies`
    and `squares` (of the gradient's norms) are (layers, rows).
    """

    rows: int
    known: int
    keeps: bool
    x: NDArray[Any]
    y: NDArray[Any]
    states: NDArray[Any]
    errors: NDArray[Any]
    predictions: NDArray[Any]
    totals: NDArray[Any]
    slopes: NDArray[Any]
    inputs: NDArray[Any]
    slope_places: NDArray[np.int64]
    points: NDArray[Any]
    lows: NDArray[Any]
    below: NDArray[Any]
    input_lows: NDArray[Any]
    output_low: NDArray[Any]
    first: NDArray[Any]
    second: NDArray[Any]
    shares: NDArray[np.float64]
    highest: NDArray[np.float64]
    scratch: NDArray[Any]
    pulled: NDArray[Any]
    gradient: NDArray[Any]
    near: NDArray[Any]
    energies: NDArray[np.float64]
    before: NDArray[np.float64]
    squares: NDArray[np.float64]


class Form(NamedTuple):
    """What a method needs of its blocks, how many arrays its stepper remembers of every variable, what it halves."""

    known: int
    keeps: bool
    increments: bool
    memories: int
    halves: bool


def make_block(plan: Plan, x: NDArray[Any], y: NDArray[Any], form: Form) -> Block:
    """Return a block of samples with input x (rows, n_in) and target y (rows, n_out) in the type of the run."""
    rows, count, dtype = len(x), len(plan.net.layers), x.dtype

    def zeros(size: int) -> NDArray[Any]:
        return aligned(rows * size, dtype)

    anchors = int(plan.slope_places[-1]) if form.increments else 0
    widest = int(plan.net.layers[:, [LD_IN, LD_OUT]].max())
    return Block(
        rows,
        form.known,
        form.keeps,
        _flat(x, int(plan.net.layers[0, LD_IN])),
        _flat(y, int(plan.net.layers[-1, LD_OUT])),
        zeros(plan.units),
        zeros(plan.units),
        zeros(plan.units),
        zeros(plan.units),
        zeros(int(plan.slope_places[-1])),
        zeros(int(plan.slope_places[-1])),
        plan.slope_places,
        zeros(anchors),
        zeros(anchors),
        zeros(anchors),
        zeros(anchors),
        zeros(int(plan.net.layers[-1, LD_OUT]) if form.increments else 0),
        zeros(plan.units if form.memories > 0 else 0),
        zeros(plan.units if form.memories > 1 else 0),
        np.ones(rows if form.halves else 0),
        np.full(rows if form.halves else 0, np.inf),
        zeros(widest),
        zeros(widest),
        zeros(widest),
        zeros(3 * widest),
        np.zeros((count, rows)),
        np.full((count, rows), np.inf),
        np.zeros((count, rows)),
    )


def matrix(plan: Plan, block: Block, array: NDArray[Any], i: int) -> NDArray[Any]:
    """Return the (rows, units) of layer i in one of a block's arrays of units."""
    start, ld = block.rows * plan.net.layers[i, PLACE], plan.net.layers[i, LD_OUT]
    return array[start : start + block.rows * ld].reshape(block.rows, ld)[:, : plan.net.layers[i, N_OUT]]


def saved_matrix(plan: Plan, block: Block, array: NDArray[Any], i: int, *, of_output: bool) -> NDArray[Any]:
    """Return the (rows, units) of layer i in one of a block's arrays of slopes or inputs, that wide."""
    start = block.rows * plan.slope_places[i]
    ld, n = plan.net.layers[i, [LD_OUT, N_OUT] if of_output else [LD_IN, N_IN]]
    return array[start : start + block.rows * ld].reshape(block.rows, ld)[:, :n]


def _flat(array: NDArray[Any], ld: int) -> NDArray[Any]:
    whole = aligned(len(array) * ld, array.dtype)
    whole.reshape(len(array), ld)[:, : array.shape[1]] = array
    return whole
