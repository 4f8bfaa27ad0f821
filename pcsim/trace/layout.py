"""What a trace holds: the arrays a run records, their shapes, chunks and the names of their dimensions."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from pcsim.trace.stream import Stream
from pcsim.trace.training import Training, training_streams
from pcsim.typing import NDArray

FORMAT = "pcsim-trace"
FORMAT_VERSION = 1
EQUILIBRIUM = ("residual", "energy", "evaluations", "converged", "stalled", "smallest_eigenvalue", "minimum")
"""Arrays of the group `equilibrium`, one value a sample each."""
INPUT_STATES = "states/input"
ARRIVALS = "arrival_per_sample"
_BY_LAYER = re.compile(r"(?:final/)?(?:\w+)/(layer|W|b|AW|Ab)_(\d+)")


@dataclass(frozen=True)
class Layout:
    """What a run is going to record: everything needed to create the file before the first row."""

    clock: Literal["step", "time"]
    layer_names: tuple[str, ...]
    """Input-to-output order, the last is the output loss."""
    unit_shapes: tuple[tuple[int, ...], ...]
    """Shape of one sample's state in each layer; dense: (n,)."""
    input_shape: tuple[int, ...]
    """Shape of one sample's input."""
    samples: int
    record: frozenset[str]
    """Any of energy, energy_bound, grad_norm, states, errors, energy_per_sample, weight_gradient."""
    dtype: np.dtype[np.floating]
    """Of recorded states and errors."""
    rows: int | None
    """Rows expected, None where unknown: decides only the size estimate and the chunks."""
    training: Training | None = None
    """What is recorded of training, None where nothing is trained."""
    free_input: bool = False
    """Whether the input is free or masked, and recorded with the states."""


def as_words(layout: Layout) -> dict[str, Any]:
    """Return a layout as JSON knows it."""
    return asdict(layout) | {"record": sorted(layout.record), "dtype": layout.dtype.str}


def from_words(words: Mapping[str, Any]) -> Layout:
    """Return the layout that `as_words` was given; KeyError, TypeError or ValueError for words of no layout."""
    if words["clock"] not in ("step", "time"):
        raise ValueError(f"clock {words['clock']}")
    values: dict[str, Any] = {
        **words,
        "layer_names": tuple(words["layer_names"]),
        "unit_shapes": tuple(map(tuple, words["unit_shapes"])),
        "input_shape": tuple(words["input_shape"]),
        "record": frozenset(words["record"]),
        "dtype": np.dtype(words["dtype"]),
        "training": words["training"] and Training(**words["training"]),
    }
    return Layout(**values)


@dataclass(frozen=True)
class Block:
    """R consecutive recorded rows; an array the layout does not record is None."""

    clock: NDArray[np.number]
    """(R,) int64 steps or float64 times."""
    energy: NDArray[np.float64] | None = None
    """(R, layer)"""
    grad_norm: NDArray[np.float64] | None = None
    """(R, layer)"""
    energy_per_sample: NDArray[np.float64] | None = None
    """(R, layer, sample)"""
    states: tuple[NDArray[np.floating], ...] | None = None
    """For each free layer (R, sample, *unit)."""
    errors: tuple[NDArray[np.floating], ...] | None = None
    """For each layer (R, sample, *unit)."""
    energy_bound: NDArray[np.float64] | None = None
    """(R, layer)"""
    input: NDArray[np.floating] | None = None
    """(R, sample, *unit), where the input is free and states are recorded."""

    def array(self, path: str) -> NDArray[np.number]:
        """Return the array for the stream at `path`; ValueError where the block lacks it."""
        kind, _, layer = path.partition("/layer_")
        if kind in ("step", "time"):
            return self.clock
        value = self.input if path == INPUT_STATES else getattr(self, kind)
        if value is None:
            raise ValueError(f"the layout records {kind}, the block has none")
        return value[int(layer)] if layer else value


def unit_names(layer: int | Literal["in"], shape: tuple[int, ...]) -> tuple[str, ...]:
    """Return the dimension names of one sample in a layer: `unit_3`; for images `unit_3_0`, `unit_3_1`, …"""
    if len(shape) == 1:
        return (f"unit_{layer}",)
    return tuple(f"unit_{layer}_{axis}" for axis in range(len(shape)))


def streams(layout: Layout) -> list[Stream]:
    """Return the datasets that grow with the run; each clock comes after those that follow it.

    It is written last, for it marks a row as whole.
    """
    layers, units = len(layout.layer_names), layout.unit_shapes
    wide, clock = np.dtype(np.float64), layout.clock
    per_layer = {
        "energy": ((clock, "layer"), (layers,)),
        "energy_bound": ((clock, "layer"), (layers,)),
        "grad_norm": ((clock, "layer"), (layers,)),
        "energy_per_sample": ((clock, "layer", "sample"), (layers, layout.samples)),
    }
    found = [
        Stream(name, names, shape, wide, layout.rows)
        for name, (names, shape) in per_layer.items()
        if name in layout.record
    ]
    for kind, count in (("states", layers - 1), ("errors", layers)):
        found += [
            Stream(
                f"{kind}/layer_{i}",
                (clock, "sample", *unit_names(i, units[i])),
                (layout.samples, *units[i]),
                layout.dtype,
                layout.rows,
            )
            for i in range(count if kind in layout.record else 0)
        ]
    if layout.free_input and "states" in layout.record:
        names, shape = (clock, "sample", *unit_names("in", layout.input_shape)), (layout.samples, *layout.input_shape)
        found.append(Stream(INPUT_STATES, names, shape, layout.dtype, layout.rows))
    kind = np.dtype(np.int64) if clock == "step" else wide
    found.append(Stream(clock, (clock,), (), kind, layout.rows))
    return found + (training_streams(layout.training, layers) if layout.training else [])


@dataclass(frozen=True)
class Dimensions:
    """Names for the axes of every array in a trace, so that each tool sees the same dimension everywhere."""

    layout: Layout

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Dimensions without a coordinate that all groups share: `sample` and every layer's units."""
        sizes = {"sample": self.layout.samples}
        for units, shape in zip(self._units, (*self.layout.unit_shapes, self.layout.input_shape), strict=True):
            sizes.update(zip(units, shape, strict=True))
        return sizes

    def names(self, path: str, shape: tuple[int, ...]) -> tuple[str, ...]:
        """Return the dimension names for the array at `path`; axes that fit no shared one get their own."""
        wanted, sizes = self._wanted(path), self._all_sizes
        if len(wanted) != len(shape):
            return tuple(f"{path}_{axis}" for axis in range(len(shape)))
        return tuple(w if sizes[w] == n else f"{path}_{i}" for i, (w, n) in enumerate(zip(wanted, shape, strict=True)))

    def _wanted(self, path: str) -> tuple[str, ...]:
        match = _BY_LAYER.fullmatch(path)
        layer = int(match[2]) if match else 0
        if match is None or layer >= len(self.layout.unit_shapes):
            return self._fixed.get(path, ())
        units, below = self._units[layer], self._units[layer - 1]
        wanted = {"layer": ("sample", *units), "W": (*below, *units), "b": units, "AW": (*units, *below), "Ab": below}
        return wanted[match[1]]

    @cached_property
    def _all_sizes(self) -> dict[str, int]:
        return self.sizes | {"layer": len(self.layout.layer_names)}

    @cached_property
    def _units(self) -> tuple[tuple[str, ...], ...]:
        """Names of one sample's axes by layer; last, and thus before the first layer, the input's."""
        shapes = self.layout.unit_shapes
        return (*map(unit_names, range(len(shapes)), shapes), unit_names("in", self.layout.input_shape))

    @cached_property
    def _fixed(self) -> dict[str, tuple[str, ...]]:
        *_, last, given = self._units
        return {
            "arrival_step": ("layer",),
            "arrival_time": ("layer",),
            ARRIVALS: ("layer", "sample"),
            "solver/steps": ("sample",),
            "solver/rejected": ("sample",),
            "solver/evaluations": ("sample",),
            **{f"equilibrium/{name}": ("sample",) for name in EQUILIBRIUM},
            "data/x": ("sample", *given),
            "data/y": ("sample", *last),
            "data/truth": ("sample", *last),
            "data/mask": last,
            "data/mean": last,
            "final/input": ("sample", *given),
            "final/output": ("sample", *last),
        }
