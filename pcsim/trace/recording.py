"""Recording: rows of energies and states, gathered in blocks of bounded size on their way to a trace."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Shaped

from pcsim.trace.layout import Block
from pcsim.typing import NDArray

ROWS_PER_BLOCK = 64
BYTES_PER_BLOCK = 16 * 2**20
SECONDS_PER_BLOCK = 0.5


def every_so_many(steps: int, every: int) -> Sequence[int]:
    """Return the steps 0, `every`, 2 `every`, … up to `steps`, in no memory however many there are."""
    return range(0, steps + 1, every)


def log_spaced(steps: int, count: int) -> Sequence[int]:
    """Return 0 and up to `count` − 1 different steps from 1 to `steps`, evenly spaced in their logarithm."""
    if steps == 0:
        return (0,)
    spaced = np.rint(np.geomspace(1, steps, num=count - 1)).astype(np.int64)
    return (0, *np.unique(spaced).tolist())


class Recorder:
    """Collects the rows of a run and hands them on in blocks; at most a block is held in memory.

    A block goes to `sink` when it has 64 rows or 16 MiB, or half a second after the last one.
    """

    def __init__(self, recorded: Sequence[int], record: frozenset[str], sink: Callable[[Block], None]) -> None:
        self._due = recorded if isinstance(recorded, range) else frozenset(recorded)
        self._record = record
        self._sink = sink
        self._rows: list[_Row] = []
        self._bytes = 0
        self._last_block = time.monotonic()

    @property
    def wants_gradient(self) -> bool:
        """Whether rows need the gradient norms."""
        return "grad_norm" in self._record

    @property
    def wants_states(self) -> bool:
        """Whether rows need the states."""
        return "states" in self._record

    @property
    def wants_errors(self) -> bool:
        """Whether rows need the errors."""
        return "errors" in self._record

    def due(self, step: int) -> bool:
        """Return whether this step is to be recorded; the last one is in any case."""
        return step in self._due

    def add(
        self,
        clock: int | float,
        layerwise: Float64[NDArray[np.float64], "layers batch"],
        gradient_norms: Float64[NDArray[np.float64], " layers"] | None,
        states: Sequence[NDArray[Any]] | None,
        errors: Sequence[NDArray[Any]] | None,
        bound: Float64[NDArray[np.float64], " layers"] | None = None,
    ) -> None:
        """Add the row of a step or time; `bound` is how far the energies can be off, where that is known."""
        row = _Row(clock, layerwise, gradient_norms, states, errors, bound)
        self._rows.append(row)
        self._bytes += row.nbytes
        full = len(self._rows) >= ROWS_PER_BLOCK or self._bytes >= BYTES_PER_BLOCK
        if full:
            self.flush()
        self.flush_if_due()

    def add_rows(
        self,
        clock: Shaped[NDArray[Any], " rows"],
        per_sample: Float64[NDArray[np.float64], "rows layers batch"],
        gradient_norms: Float64[NDArray[np.float64], "rows layers"] | None,
        states: tuple[NDArray[Any], ...] | None,
        errors: tuple[NDArray[Any], ...] | None,
    ) -> None:
        """Hand on rows that come as arrays: a block of their own."""
        if len(clock):
            self.flush()
            self._sink(self._block(clock, per_sample, gradient_norms, states, errors, None))

    def flush_if_due(self) -> None:
        """Hand on the rows collected so far if the last block was half a second ago."""
        if self._rows and time.monotonic() - self._last_block > SECONDS_PER_BLOCK:
            self.flush()

    def flush(self) -> None:
        """Hand on the rows collected so far."""
        if self._rows:
            self._sink(self._gathered(self._rows))
        self._rows, self._bytes = [], 0
        self._last_block = time.monotonic()

    def _gathered(self, rows: "list[_Row]") -> Block:
        return self._block(
            np.array([row.clock for row in rows]),
            np.stack([row.layerwise for row in rows]),
            _stacked([row.gradient_norms for row in rows]),
            _by_layer([row.states for row in rows]),
            _by_layer([row.errors for row in rows]),
            _stacked([row.bound for row in rows]),
        )

    def _block(
        self,
        clock: NDArray[Any],
        per_sample: NDArray[np.float64],
        gradient_norms: NDArray[np.float64] | None,
        states: tuple[NDArray[Any], ...] | None,
        errors: tuple[NDArray[Any], ...] | None,
        bound: NDArray[np.float64] | None,
    ) -> Block:
        return Block(
            clock=clock,
            energy=per_sample.mean(axis=2) if "energy" in self._record else None,
            grad_norm=gradient_norms,
            energy_per_sample=per_sample if "energy_per_sample" in self._record else None,
            states=states,
            errors=errors,
            energy_bound=bound if "energy" in self._record else None,
        )


class _Row:
    def __init__(
        self,
        clock: int | float,
        layerwise: NDArray[np.float64],
        gradient_norms: NDArray[np.float64] | None,
        states: Sequence[NDArray[Any]] | None,
        errors: Sequence[NDArray[Any]] | None,
        bound: NDArray[np.float64] | None,
    ) -> None:
        self.clock = clock
        self.layerwise = layerwise
        self.gradient_norms = gradient_norms
        self.states = states
        self.errors = errors
        self.bound = bound
        self.nbytes = layerwise.nbytes + sum(a.nbytes for a in (*(states or ()), *(errors or ())))


def _stacked(rows: list[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
    present = [row for row in rows if row is not None]
    return np.stack(present) if present else None


def _by_layer(rows: list[Sequence[NDArray[Any]] | None]) -> tuple[NDArray[Any], ...] | None:
    present = [row for row in rows if row is not None]
    if not present:
        return None
    return tuple(np.stack([row[i] for row in present]) for i in range(len(present[0])))
