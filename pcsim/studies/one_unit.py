"""What studies of the network with one hidden unit share: its landscape on the scenario's data, and pictures of it."""

from typing import Any

import numpy as np
from jaxtyping import Float64

from pcsim.assemble import build_network, load_inputs, load_samples, read_dataset
from pcsim.errors import UsageError
from pcsim.landscape import Chain
from pcsim.learning.samples import order_of
from pcsim.scenario import Scenario
from pcsim.typing import NDArray

PREDICTIVE, BACKPROP, OTHER = "#0072B2", "#D55E00", "#009E73"
"""Colours of predictive coding, backpropagation and a third, told apart by people of any colour vision."""
EDGE = 2.0
"""Both weights are drawn from −EDGE to EDGE."""


def chain_of(scenario: Scenario) -> tuple[Chain, Float64[NDArray[np.float64], "2"]]:
    """Return the landscape of a linear network with one hidden unit on a scenario's batch, and its drawn weights.

    Raises `UsageError` for another network.
    """
    table = scenario.network
    if tuple(table.widths) != (1, 1, 1) or table.activation != "linear" or table.bias:
        raise UsageError(
            f"{scenario.where('network.widths')}: the study is of one hidden unit; use widths = [1, 1, 1], "
            'activation = "linear" and bias = false'
        )
    inputs = load_inputs(scenario, build_network(scenario), read_dataset(scenario))
    chain = Chain.of_data(inputs.x[:, 0], inputs.y[:, 0])
    return chain, np.array([layer["W"][0, 0] for layer in inputs.parameters])


def batches_of(scenario: Scenario) -> list[Chain]:
    """Return the landscape on every batch that training comes to, update by update.

    Raises `UsageError` for a scenario that does not train, and one of another network.
    """
    learning = scenario.learning
    if learning is None or learning.optimizer != "sgd":
        raise UsageError(
            f"{scenario.where('study')}: the study follows gradient descent on batches; add [learning] with "
            'optimizer = "sgd"'
        )
    chain_of(scenario)
    train = load_samples(scenario, build_network(scenario), read_dataset(scenario)).train
    x, y = (np.asarray(values, dtype=np.float64)[:, 0] for values in (train.x, train.y))
    orders = [order_of(len(x), learning.batch, scenario.seed, epoch) for epoch in range(1, learning.epochs + 1)]
    return [Chain.of_data(x[rows], y[rows]) for order in orders for rows in order.stretch(0, len(order))]


def grid(columns: int, rows: int) -> Float64[NDArray[np.float64], "{rows} {columns} 2"]:
    """Return the weights (w_1, w_2) of a grid, w_2 by row and w_1 by column."""
    return np.stack(np.meshgrid(np.linspace(-EDGE, EDGE, columns), np.linspace(-EDGE, EDGE, rows)), axis=-1)


def draw_optima(axes: Any, product: float) -> None:
    """Draw the curve of optima w_1 w_2 = `product`, and set the axes of weight space."""
    first = np.geomspace(abs(product) / EDGE, EDGE, 200)
    for sign in (1.0, -1.0):
        axes.plot(sign * first, sign * product / first, color="black", linewidth=1.2, linestyle=(0, (4, 2)))
    axes.set_xlim(-EDGE, EDGE)
    axes.set_ylim(-EDGE, EDGE)
    axes.set_aspect("equal")
    axes.set_xlabel("$w_1$")
    axes.set_ylabel("$w_2$")
