"""Verifying a trace: simulate again from what it holds and measure how far the numbers differ."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from pcsim.engine.backend import Descent, Settled
from pcsim.errors import UsageError
from pcsim.inference import search_of
from pcsim.model.arithmetic import significand_bits
from pcsim.recorded import precision_of, require_run
from pcsim.recorded.embedded import Tell, of_trace, silently
from pcsim.recorded.resimulation import as_many_threads, ended_itself, is_same_place, simulation_of
from pcsim.runs.simulation import Simulation
from pcsim.scenario import GivenNetwork
from pcsim.trace import Block, Trace
from pcsim.trace.layout import INPUT_STATES
from pcsim.typing import NDArray

TOLERANCE = {"float64": 1e-9, "float32": 1e-4, "float16": 0.05, "bfloat16": 0.2}
"""Allowed deviation where bits may differ: another backend, precision, machine or version."""

SOLVER_MARGIN = 100
"""Allowed deviation of a flow, in units of what its variables may be off by.

That is rtol + atol for adaptive steps: two implementations choose other ones and agree no better than each keeps its
tolerance. With a stop rule it is the gradient left as well: samples come to rest one by one, at steps of the solver's
own. An error ε that is off by δ has an energy off by 2δ/ε; energies count down to 10⁻³ of the largest, errors to 1/30:
some 60 times δ over the largest error. Along a flow that descends, what a step is wrong by is not magnified.
"""

LAYERWISE = ("energy", "grad_norm", "energy_per_sample")
"""Recorded by step and layer; bounds on energies are left out, for they are no property of the run."""


@dataclass(frozen=True)
class Verification:
    """How a new simulation compares with a trace.

    `compared` says what was: with `tolerance` 0, where the same bits are expected, everything the trace holds;
    elsewhere energies and final states. `deviation` is, per layer, the largest of |a − b| / (|b| + 10⁻³ max|b|), for
    final states |a − b| / max|b|; inf where a row is missing or an arrival step differs. `other_arrivals` are the
    layers that the signal reaches at another step or time, which a tolerance for another precision does not count.
    """

    deviation: Float64[NDArray[np.float64], " layers"]
    layer_names: tuple[str, ...]
    tolerance: float
    rows: int
    compared: tuple[str, ...]
    other_arrivals: tuple[int, ...]
    trained: bool = False
    """Whether inference was preceded by training, which was not repeated."""
    rounded_to: str | None = None
    """The precision of the trace where the new simulation has a higher one, and yet starts from its parameters."""
    data: str | None = None
    """A sentence where the data file that the trace names no longer holds the data of the run."""

    @property
    def agrees(self) -> bool:
        """Whether every layer is within the tolerance."""
        return bool((self.deviation <= self.tolerance).all())


def verify(
    trace: Trace,
    *,
    backend: str | None = None,
    precision: str | None = None,
    allow: str | Sequence[str] = (),
    network: GivenNetwork | None = None,
    tell: Tell = silently,
) -> Verification:
    """Simulate again from the network, data and scenario in a trace, and compare.

    On the backend, precision, versions and machine of the trace the result must be the same to the last bit. Training
    is not repeated: inference starts from the trained parameters. `tell` is called with a line on the data file that
    the trace names, before that is read. Code that it names is run where it is registered, or in a module that `allow`
    names, one or several, which are imported; a `network` that was given to the run is given again.
    Raises `UsageError` for a trace that lacks what is needed, and for one with noise that is drawn otherwise now.
    """
    require_run(trace)
    if len(trace.steps) == 0:
        why = "; training was broken off before it, and is not repeated" if trace.training else ""
        raise UsageError(f"{trace.path}: holds no rows of inference to verify{why}")
    with as_many_threads(trace):
        return _verified(trace, backend, precision, allow, network, tell)


def _verified(
    trace: Trace,
    backend: str | None,
    precision: str | None,
    allow: str | Sequence[str],
    network: GivenNetwork | None,
    tell: Tell,
) -> Verification:
    simulation = simulation_of(trace, backend, precision, allow, network)
    changed = of_trace(trace, allow=allow, network=network).change(tell)
    tolerance = _tolerance(trace, simulation)
    comparison = Comparison(trace, bitwise=tolerance == 0)
    # A solver that knows of another end takes other steps: what was cut short is cut short again.
    last, cut = trace.last_clock, not ended_itself(trace)
    settled = simulation.backend.settle(simulation.task, comparison.rows, lambda clock: cut and clock >= last)
    comparison.end(settled)
    if not comparison.compared:
        raise UsageError(f"{trace.path} (status {trace.status}) holds neither energies nor final states to compare")
    names = tuple(trace.layer_names)
    compared = tuple(comparison.compared)
    return Verification(
        comparison.deviation,
        names,
        tolerance,
        len(trace.steps),
        compared,
        _other_arrivals(trace, settled),
        bool(trace.training),
        _rounded_to(trace, simulation),
        changed,
    )


def _rounded_to(trace: Trace, simulation: Simulation) -> str | None:
    before = precision_of(trace)
    return before if significand_bits(simulation.task.precision) > significand_bits(before) else None


def _other_arrivals(trace: Trace, settled: Settled) -> tuple[int, ...]:
    if "arrival_step" not in trace:
        return ()
    # Solver steps are the solver's own, times are the run's.
    if trace.clock == "time" and settled.flow is not None:
        same = _same_floats(trace.arrival_times, settled.flow.arrival_times)
    else:
        same = trace.arrival_steps == settled.arrival_steps
    return tuple(int(i) for i in np.flatnonzero(~same))


class Comparison:
    """Compares a trace with a new simulation as that goes on, so that at most a block is held in memory."""

    def __init__(self, trace: Trace, *, bitwise: bool) -> None:
        layers = len(trace.layer_names)
        self.deviation = np.zeros(layers)
        self._trace = trace
        self._bitwise = bitwise
        self._last: NDArray[np.number] | None = None
        self._row = 0
        # How many trials a search takes, and which, is a matter of rounding.
        self._ends_only = bool(trace.equilibria) and not bitwise
        self._layerwise = [name for name in LAYERWISE if name in trace and (bitwise or name == "energy")]
        self._largest_energy = largest(trace.energy) if "energy" in self._layerwise else 0.0
        kinds = {"states": layers - 1, "errors": layers} if bitwise else {}
        self._units = {kind: count for kind, count in kinds.items() if kind in trace}
        self.compared = [*self._layerwise, *self._units]

    def rows(self, block: Block) -> None:
        """Compare the next recorded rows."""
        if self._ends_only:
            self._last = block.array("energy")[-1] if "energy" in self._layerwise else None
            return
        rows = slice(self._row, self._row + len(block.clock))
        self._row = rows.stop
        if not np.array_equal(self._trace.array(self._trace.clock, rows), block.clock):
            self.deviation[:] = np.inf
            return
        for name in self._layerwise:
            recorded = self._trace.array(name, rows)
            most = self._largest_energy if name == "energy" else largest(recorded)
            found = deviation(block.array(name), recorded, _relative_to(recorded, most))
            self._note(found.max(axis=tuple(axis for axis in range(found.ndim) if axis != 1)))
        for kind, count in self._units.items():
            pairs = [(block.array(f"{kind}/layer_{i}"), f"{kind}/layer_{i}") for i in range(count)]
            self._note([_largest_deviation(mine, self._trace.array(path, rows)) for mine, path in pairs])
        if "states" in self._units and INPUT_STATES in self._trace:
            # The input belongs to the layer that reads it.
            self._note([_largest_deviation(block.array(INPUT_STATES), self._trace.array(INPUT_STATES, rows))])

    def end(self, settled: Settled) -> None:
        """Compare how the run ended, and whether it recorded as many rows."""
        if self._last is not None:
            recorded = self._trace.energy[-1]
            self._note(deviation(self._last, recorded, _relative_to(recorded, self._largest_energy)))
        if not self._ends_only and self._row != len(self._trace.steps):
            self.deviation[:] = np.inf
        trace = self._trace
        # A flow that failed did so after its last row, and elsewhere the run ends with that row.
        beyond = trace.clock == "time" and trace.status == "failed" and not self._bitwise
        if "final/states" in trace and not beyond:
            self._note(map(_scaled_deviation, settled.states, trace.final_states))
            self.compared.append("final states")
            if settled.input is not None:
                self._note([_scaled_deviation(settled.input, trace.array("final/input"))])
                self.compared.append("final input")
        if not self._bitwise or "final/errors" not in trace:
            return
        self._note(map(_largest_deviation, settled.errors, trace.final_errors))
        self._note(np.where(settled.arrival_steps == trace.arrival_steps, 0.0, np.inf))
        self.deviation[-1] = max(self.deviation[-1], _largest_deviation(settled.output, trace.final_output))
        for i, layer in enumerate(settled.gradient or ()):
            for name, value in layer.items():
                again = _largest_deviation(value, trace.array(f"final/gradient/{name}_{i}"))
                self.deviation[i] = max(self.deviation[i], again)
        if settled.flow is not None:
            self._note(np.where(_same_floats(settled.flow.arrival_times, trace.arrival_times), 0.0, np.inf))
        self._compare_work(settled)
        self.compared += ["final errors", f"arrival {trace.clock}s", *(["weight_gradient"] if settled.gradient else [])]

    def _compare_work(self, settled: Settled) -> None:
        # An interrupted solver had gone on beyond the last row.
        if settled.flow is None or self._trace.status != "complete":
            return
        kept, found = self._trace.solver_work, vars(settled.flow.work)
        if any(name not in kept or not np.array_equal(counts, kept[name]) for name, counts in found.items()):
            self.deviation[:] = np.inf
        self.compared.append("solver steps")

    def _note(self, found: Iterable[float]) -> None:
        each = np.fromiter(found, dtype=np.float64)
        self.deviation[: len(each)] = np.maximum(self.deviation[: len(each)], each)


def _same_floats(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (a == b) | (np.isnan(a) & np.isnan(b))


def largest(values: NDArray[np.number]) -> float:
    """Return the largest finite magnitude, 0 where there is none."""
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size else 0.0


def deviation(a: NDArray[np.number], b: NDArray[np.number], scale: Any) -> NDArray[np.float64]:
    """Return |a − b| / scale, 0 where both are the same or both are NaN and nowhere else."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(all="ignore"):
        relative = np.abs(x - y) / scale
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    # a quotient may underflow, a difference in bits must not
    different = np.where(np.isnan(relative), np.inf, np.maximum(relative, np.finfo(np.float64).tiny))
    return np.where(same, 0.0, different)


def _relative_to(b: NDArray[np.number], largest_of_all: float) -> NDArray[np.float64]:
    """Return |b| + 10⁻³ max|b|, what a deviation is measured by."""
    return np.abs(b.astype(np.float64)) + 1e-3 * largest_of_all


def _largest_deviation(a: NDArray[np.number], b: NDArray[np.number]) -> float:
    return float(deviation(a, b, _relative_to(b, largest(b))).max()) if a.shape == b.shape else np.inf


def _scaled_deviation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Return the largest difference over the largest state: single states may be anywhere near zero."""
    return float(deviation(a, b, largest(b)).max()) if a.shape == b.shape else np.inf


def _tolerance(trace: Trace, simulation: Simulation) -> float:
    if is_same_place(trace, simulation):
        return 0.0
    words = (simulation.task.precision, str(trace.attributes["precision"]))
    return max(_solver_tolerance(trace, simulation), *(TOLERANCE.get(word, 1e-9) for word in words))


def _solver_tolerance(trace: Trace, simulation: Simulation) -> float:
    motion, stop = simulation.task.motion, simulation.scenario.inference.stop
    if simulation.task.inference.traits.searches:
        return SOLVER_MARGIN * search_of(simulation.task.inference).residual
    if isinstance(motion, Descent):
        return 0.0
    off = motion.rtol + motion.atol if motion.step_size is None else 0.0
    if stop is not None and trace.attributes.get("converged"):
        off += stop.grad_norm or 0.0
    return SOLVER_MARGIN * off
