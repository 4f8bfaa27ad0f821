"""Verifying a trace: simulate again from what it holds and measure how far the numbers differ."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from pcsim.assemble import Inputs
from pcsim.backend import Settled
from pcsim.errors import UsageError
from pcsim.experiment import Simulation, prepare
from pcsim.provenance import describe_machine
from pcsim.scenario import parse_scenario
from pcsim.trace import Block, Trace

TOLERANCE = {"float64": 1e-9, "float32": 1e-4, "float16": 0.05, "bfloat16": 0.2}
"""Allowed deviation where bits may differ: another backend, precision, machine or version."""


@dataclass(frozen=True)
class Verification:
    """How a new simulation compares with a trace.

    `deviation` is, per layer, the largest |a − b| / (|b| + 10⁻³ max|b|) over recorded energies and final states;
    `tolerance` is 0 where the same bits are expected.
    """

    deviation: Float64[NDArray[np.float64], " layers"]
    layer_names: tuple[str, ...]
    tolerance: float
    rows: int

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
    blocks: list[Block] = []
    settled = simulation.backend.settle(simulation.task, blocks.append, lambda step: False)
    deviation = np.maximum(_energy_deviation(trace, blocks), _state_deviation(trace, settled))
    return Verification(deviation, tuple(trace.layer_names), _tolerance(trace, simulation), len(trace.steps))


def simulation_of(trace: Trace, backend: str | None = None, precision: str | None = None) -> Simulation:
    """Return the simulation a trace came from, up to its last recorded step, made of what the trace holds."""
    scenario = parse_scenario(trace.provenance["scenario"]).on(backend, precision)
    layers = 1 + max(int(name.partition("_")[2]) for name in trace.network)
    parameters: list[dict[str, NDArray[np.float64]]] = [{} for _ in range(layers)]
    for name, array in trace.network.items():
        kind, _, layer = name.partition("_")
        parameters[int(layer)][kind] = array
    inputs = Inputs(tuple(parameters), trace.data["x"], trace.data["y"], trace.provenance.get("data", ""))
    simulation = prepare(scenario, inputs)
    steps = int(trace.steps[-1])
    task = replace(simulation.task, steps=steps, recorded=trace.steps)
    return replace(simulation, task=task)


def _energy_deviation(trace: Trace, blocks: list[Block]) -> NDArray[np.float64]:
    if "energy" not in trace:
        return np.zeros(len(trace.layer_names))
    recorded = trace.energy
    again = np.concatenate([block.energy for block in blocks if block.energy is not None])
    if again.shape != recorded.shape:
        return np.full(len(trace.layer_names), np.inf)
    return deviation(again, recorded, recorded).max(axis=0)


def _state_deviation(trace: Trace, settled: Settled) -> NDArray[np.float64]:
    if "final/states" not in trace:
        return np.zeros(len(trace.layer_names))
    pairs = zip(settled.states, trace.final_states, strict=True)
    return np.array([deviation(a, b, b).max() for a, b in pairs])


def deviation(a: NDArray[np.floating], b: NDArray[np.floating], scale: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return |a − b| / (|b| + 10⁻³ max|scale|), 0 where both are the same or both are NaN."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    finite = np.abs(scale[np.isfinite(scale)])
    floor = 1e-3 * float(finite.max()) if finite.size else 0.0
    with np.errstate(all="ignore"):
        relative = np.abs(x - y) / (np.abs(y) + floor)
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    return np.where(same, 0.0, np.where(np.isnan(relative), np.inf, relative))


def _tolerance(trace: Trace, simulation: Simulation) -> float:
    here = describe_machine()
    same_place = all(trace.provenance.get(key) == value for key, value in here.items())
    precision, backend = simulation.task.precision, simulation.scenario.backend.name
    if same_place and precision == trace.attributes["precision"] and backend == trace.attributes["backend"]:
        return 0.0
    return max(TOLERANCE.get(word, 1e-9) for word in (precision, str(trace.attributes["precision"])))
