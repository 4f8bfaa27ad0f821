"""What a run leaves, without the layer that a backend's network has for a free end: seen from outside there is none."""

from dataclasses import replace

import numpy as np

from pcsim.engine.backend import Settled
from pcsim.trace.layout import Block
from pcsim.typing import NDArray

WITHOUT_FIRST, WITHOUT_LAST = slice(1, None), slice(None, -1)


def block_of(block: Block, layers: slice) -> Block:
    """Return the rows of some of the layers."""

    def chosen(array: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        return None if array is None else array[:, layers]

    return replace(
        block,
        energy=chosen(block.energy),
        grad_norm=chosen(block.grad_norm),
        energy_per_sample=chosen(block.energy_per_sample),
        energy_bound=chosen(block.energy_bound),
        states=block.states and block.states[layers],
        errors=block.errors and block.errors[layers],
    )


def settled_of(settled: Settled, layers: slice) -> Settled:
    """Return what is left behind of some of the layers."""
    flow = settled.flow
    return replace(
        settled,
        states=settled.states[layers],
        errors=settled.errors[layers],
        gradient=settled.gradient and settled.gradient[layers],
        arrival_steps=settled.arrival_steps[layers],
        flow=flow and replace(flow, arrival_times=flow.arrival_times[layers]),
    )
