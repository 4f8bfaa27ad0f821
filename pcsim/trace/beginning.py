"""What a trace knows before its first row, and about how large it is going to be."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from pcsim.trace.layout import EQUILIBRIUM, Layout, streams
from pcsim.typing import NDArray

Attributes = Mapping[str, str | int | float]
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Beginning:
    """Everything that a run puts into its trace before the first row."""

    layout: Layout
    attributes: Attributes
    network: Arrays
    """Parameters before the run by name, `W_0`, `b_0`, …, in the type of the run."""
    data: Arrays
    """Inputs `x`, targets `y` and what else is needed to simulate again, by name."""
    provenance: Mapping[str, str]

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Network and data by their paths below the root."""
        groups = {"network": self.network, "data": self.data}
        return {f"{group}/{name}": array for group, arrays in groups.items() for name, array in arrays.items()}

    @property
    def final_bytes(self) -> int:
        """About how many bytes the end of a run adds: final states, errors, gradients, parameters and tables."""
        layout = self.layout
        units = sum(map(prod, layout.unit_shapes)) + layout.free_input * prod(layout.input_shape)
        copies = ("weight_gradient" in layout.record) + (layout.training is not None)
        parameters = copies * sum(a.nbytes for a in self.network.values())
        objects = 3 * len(layout.unit_shapes) + copies * len(self.network)
        work = (len(EQUILIBRIUM) + len(layout.unit_shapes)) * layout.samples * 8
        return 2 * layout.samples * units * 8 + parameters + work + 1024 * objects + 16 * 1024

    @property
    def whole_bytes(self) -> int:
        """About how many bytes the finished trace takes; of unknown rows, one chunk each is counted."""
        growing = streams(self.layout)
        streamed = sum(s.chunks_for(s.expected_rows or 1) * s.chunk_bytes for s in growing)
        given = sum(a.nbytes for a in self.arrays.values())
        texts = sum(len(text) for text in self.provenance.values())
        objects = len(growing) + len(self.network) + 2 * len(self.layout.unit_shapes) + 8
        return streamed + given + texts + 1024 * objects + self.final_bytes
