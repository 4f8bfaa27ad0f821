"""How the variables of a flow lie in one flat vector, and which of them move which.

A state moves with its own error and those of the layers that read it, so that the Jacobian of a chain's flow is block
tridiagonal; long skips add blocks. Under EO every error moves every other.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np

from pcsim.inference import Inference
from pcsim.model.flat import Flat
from pcsim.model.network import Network
from pcsim.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Structure(Flat):
    """The variables of a flow in one vector, and for each those that its velocity reads.

    `moving` says how many of the first ones have a gradient of their own.
    """

    reads: tuple[frozenset[int], ...]
    moving: int

    @cached_property
    def units_with_gradient(self) -> NDArray[np.intp] | slice:
        """The entries of the variables that have a gradient of their own."""
        if self.moving == len(self.shapes):
            return slice(None)
        return np.concatenate([np.arange(p.start, p.stop) for p in self.places[: self.moving]])

    @property
    def blocks(self) -> list[tuple[slice, slice]]:
        """Rows and columns of the Jacobian's blocks that need not be zero."""
        places = self.places
        return [(places[i], places[j]) for i, read in enumerate(self.reads) for j in sorted(read)]

    @cached_property
    def entries(self) -> int:
        """Entries of the Jacobian that need not be zero."""
        return sum((r.stop - r.start) * (c.stop - c.start) for r, c in self.blocks)

    @property
    def is_dense(self) -> bool:
        """Whether sparse linear algebra would gain nothing."""
        return self.entries >= 0.5 * self.size**2

    @cached_property
    def bandwidth(self) -> int:
        """How far an entry that need not be zero lies from the diagonal; the pattern is symmetric in that."""
        reach = [max(r.stop - 1 - c.start, c.stop - 1 - r.start) for r, c in self.blocks]
        return max(reach, default=0)

    @cached_property
    def groups(self) -> NDArray[np.intp]:
        """For every column a group; no two columns of a group have an entry in the same row (Curtis et al. 1974)."""
        readers = [{i for i, read in enumerate(self.reads) if j in read} for j in range(len(self.shapes))]
        taken: list[set[int]] = []
        colours: list[int] = []
        for readers_of_j in readers:
            colour = next((c for c, rows in enumerate(taken) if not rows & readers_of_j), len(taken))
            if colour == len(taken):
                taken.append(set())
            taken[colour] |= readers_of_j
            colours.append(colour)
        widths = [max(n for n, c in zip(self.sizes, colours, strict=True) if c == k) for k in range(len(taken))]
        first = [0, *accumulate(widths)]
        groups = np.zeros(self.size, dtype=np.intp)
        for place, colour in zip(self.places, colours, strict=True):
            groups[place] = first[colour] + np.arange(place.stop - place.start)
        return groups


def structure_of(inference: Inference) -> Structure:
    """Return the structure of a method's flow."""
    network = inference.energy.network
    shapes = network.state_shapes
    free = len(shapes)
    if inference.traits.moves_errors:
        return Structure(shapes, reads=(frozenset(range(free)),) * free, moving=free)
    if not inference.traits.carries_errors:
        return Structure(shapes, reads=_state_reads(network), moving=free)
    # A state beside its error keeps the band of the Jacobian narrow.
    order = tuple(k for i in range(free) for k in (i, free + i))
    return Structure((*shapes, *shapes), order, reads=_increment_reads(network), moving=free)


def _free(network: Network, layer: int) -> set[int]:
    """Return the free states a layer reads."""
    return {j for j in network.layers[layer].reads if j >= 0}


def _state_reads(network: Network) -> tuple[frozenset[int], ...]:
    last = len(network.layers) - 1
    found: list[frozenset[int]] = []
    for i in range(last):
        reads = {i} | _free(network, i)
        for j in network.readers[i]:
            reads |= ({j} - {last}) | _free(network, j)
        found.append(frozenset(reads))
    return tuple(found)


def _increment_reads(network: Network) -> tuple[frozenset[int], ...]:
    """Return the same for s_0 …, ε_0 …: errors are read where they are carried, states where layers are linearised."""
    last = len(network.layers) - 1
    states: list[frozenset[int]] = []
    for i in range(last):
        reads = {i, last + i}
        for j in network.readers[i]:
            reads |= ({last + j} - {last + last}) | _free(network, j)
        states.append(frozenset(reads))
    errors = [
        states[i] | _free(network, i) | frozenset[int]().union(*(states[j] for j in _free(network, i)))
        for i in range(last)
    ]
    return (*states, *errors)
