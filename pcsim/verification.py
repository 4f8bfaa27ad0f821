"""Verifying a trace: simulate again from what it holds and measure how far the numbers differ."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from pcsim.assemble import Inputs, build_network
from pcsim.backend import Settled
from pcsim.errors import UsageError
from pcsim.experiment import Simulation, prepare
from pcsim.provenance import describe_machine
from pcsim.scenario import parse_scenario
from pcsim.trace import Block, Trace

TOLERANCE = {"float64": 1e-9, "float32": 1e-4, "float16": 0.05, "bfloat16": 0.2}
"""Allowed deviation where bits may differ: another backend, precision, machine or version."""

LAYERWISE = ("energy", "grad_norm", "energy_per_sample")
"""Recorded by step and layer; bounds on energies are left out, for they are no property of the run."""


@dataclass(frozen=True)
class Verification:
    """How a new simulation compares with a trace.

    `compared` says what was: with `tolerance` 0, where the same bits are expected, everything the trace holds;
    elsewhere energies and final states. `deviation` is, per layer, the largest of |a − b| / (|b| + 10⁻³ max|b|), for
    final states |a − b| / max|b|; inf where a row is missing or an arrival step differs. `other_arrivals` are the
    layers that the signal reaches at another step, which a tolerance for another precision does not count.
    """

    deviation: Float64[NDArray[np.float64], " layers"]
    layer_names: tuple[str, ...]
    tolerance: float
    rows: int
    compared: tuple[str, ...]
    other_arrivals: tuple[int, ...]

    @property
    def agrees(self) -> bool:
        """Whether every layer is within the tolerance."""
        return bool((self.deviation <= self.tolerance).all())


def verify(trace: Trace, *, backend: str | None = None, precision: str | None = None) -> Verification:
    """Simulate again from the network, data and scenario in a trace, and compare.

    On the backend, precision, versions and machine of the trace the result must be the same to the last bit.
    Raises `UsageError` for a trace that lacks what is needed.
    """
    if len(trace.steps) == 0:
        raise UsageError(f"{trace.path}: holds no rows to verify")
    simulation = simulation_of(trace, backend, precision)
    tolerance = _tolerance(trace, simulation)
    comparison = Comparison(trace, bitwise=tolerance == 0)
    settled = simulation.backend.settle(simulation.task, comparison.rows, lambda step: False)
    comparison.end(settled)
    if not comparison.compared:
        raise UsageError(f"{trace.path} (status {trace.status}) holds neither energies nor final states to compare")
    names = tuple(trace.layer_names)
    arrivals = trace.arrival_steps if "arrival_step" in trace else settled.arrival_steps
    other = tuple(int(i) for i in np.flatnonzero(arrivals != settled.arrival_steps))
    return Verification(comparison.deviation, names, tolerance, len(trace.steps), tuple(comparison.compared), other)


def simulation_of(trace: Trace, backend: str | None = None, precision: str | None = None) -> Simulation:
    """Return the simulation a trace came from, up to its last recorded step, made of what the trace holds.

    Raises `UsageError` for a trace that lacks something, or whose arrays do not fit its scenario.
    """
    text = trace.provenance.get("scenario") if "provenance" in trace else None
    if text is None:
        raise _unusable(trace, "provenance: scenario")
    scenario = parse_scenario(text).on(backend, precision)
    network = build_network(scenario)
    parameters: list[dict[str, NDArray[np.float64]]] = [{} for _ in network.layers]
    given = trace.network
    for name, i, shape in network.parameter_names:
        parameters[i][name] = _fitting(trace, f"network/{name}_{i}", given.get(f"{name}_{i}"), shape)
    data, batch = trace.data, len(trace.data.get("x", ()))
    x = _fitting(trace, "data/x", data.get("x"), (batch, *network.input_shape))
    y = _fitting(trace, "data/y", data.get("y"), (batch, *network.layer_shapes[-1]))
    simulation = prepare(scenario, Inputs(tuple(parameters), x, y, trace.provenance.get("data", "")))
    # The trace ends where it ends, be it by a stop rule that another precision would meet elsewhere.
    motion = replace(simulation.task.descent, steps=int(trace.steps[-1]))
    task = replace(simulation.task, motion=motion, stop=None)
    return replace(simulation, task=task)


def _fitting(trace: Trace, path: str, array: NDArray[np.float64] | None, shape: tuple[int, ...]) -> NDArray[np.float64]:
    if array is None or array.shape != shape:
        raise _unusable(trace, path if array is None else f"{path} of shape {shape}")
    return array


def _unusable(trace: Trace, missing: str) -> UsageError:
    return UsageError(f"{trace.path}: holds no {missing}, without which it cannot be simulated again")


class Comparison:
    """Compares a trace with a new simulation as that goes on, so that at most a block is held in memory."""

    def __init__(self, trace: Trace, *, bitwise: bool) -> None:
        layers = len(trace.layer_names)
        self.deviation = np.zeros(layers)
        self._trace = trace
        self._bitwise = bitwise
        self._row = 0
        self._layerwise = [name for name in LAYERWISE if name in trace and (bitwise or name == "energy")]
        self._largest_energy = largest(trace.energy) if "energy" in self._layerwise else 0.0
        kinds = {"states": layers - 1, "errors": layers} if bitwise else {}
        self._units = {kind: count for kind, count in kinds.items() if kind in trace}
        self.compared = [*self._layerwise, *self._units]

    def rows(self, block: Block) -> None:
        """Compare the next recorded rows."""
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

    def end(self, settled: Settled) -> None:
        """Compare how the run ended, and whether it recorded as many rows."""
        if self._row != len(self._trace.steps):
            self.deviation[:] = np.inf
        trace = self._trace
        if "final/states" in trace:
            self._note(map(_scaled_deviation, settled.states, trace.final_states))
            self.compared.append("final states")
        if not self._bitwise or "final/errors" not in trace:
            return
        self._note(map(_largest_deviation, settled.errors, trace.final_errors))
        self._note(np.where(settled.arrival_steps == trace.arrival_steps, 0.0, np.inf))
        self.deviation[-1] = max(self.deviation[-1], _largest_deviation(settled.output, trace.final_output))
        for i, layer in enumerate(settled.gradient or ()):
            for name, value in layer.items():
                again = _largest_deviation(value, trace.array(f"final/gradient/{name}_{i}"))
                self.deviation[i] = max(self.deviation[i], again)
        self.compared += ["final errors", "arrival steps", *(["weight_gradient"] if settled.gradient else [])]

    def _note(self, found: Iterable[float]) -> None:
        each = np.fromiter(found, dtype=np.float64)
        self.deviation[: len(each)] = np.maximum(self.deviation[: len(each)], each)


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
    here = describe_machine()
    same_place = all(trace.provenance.get(key) == value for key, value in here.items())
    precision, backend = simulation.task.precision, simulation.scenario.backend.name
    if same_place and precision == trace.attributes["precision"] and backend == trace.attributes["backend"]:
        return 0.0
    return max(TOLERANCE.get(word, 1e-9) for word in (precision, str(trace.attributes["precision"])))
