"""Runs of the bench of local methods, a line each in a small file; called as a program it does one and adds its line.

python -m tools.studies.local_runs FILE FOLDER NAME SEED [KEY=VALUE …]
"""

import datetime
import json
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Shaped

import pcsim
from pcsim.assemble import build_inference, build_learner, build_network
from pcsim.engine.host import host_namespace
from pcsim.errors import RunFailed
from pcsim.inference import Backprop, Equilibrium, Inference
from pcsim.inference.steppers import GradientDescent
from pcsim.inference.stopping import StopRule
from pcsim.learning import SGD, Learner
from pcsim.learning.batch import Batch
from pcsim.model.arithmetic import dtype_of
from pcsim.recorded.network import precision_of
from pcsim.recorded.point import read_point
from pcsim.runs.checkpoint import remove_checkpoint
from pcsim.runs.provenance import describe_machine
from pcsim.runs.training import by_name
from pcsim.scenario import Scenario
from pcsim.trace import Trace
from pcsim.typing import NDArray
from tools.studies.finished import Planned, arguments

RESIDUAL = 1e-8
MOST_EVALUATIONS = 2000


@dataclass(frozen=True)
class LocalRun:
    """What came of a run.

    Cosines are those of the gradient that weights learn from (that at the end of inference, where they learn after
    every step), after training, on the first batch in file order, to backpropagation's and to that of the exact
    equilibrium, both in float64: the lowest of all layers and the median; None where nothing is compared, a layer of
    zeros left out. `to_backprop` and `to_equilibrium` have them by layer, None in one of zeros; not every run kept
    them. `silent` counts layers without a signal in the whole epoch.
    """

    name: str
    overrides: list[str]
    seed: int
    digest: str
    accuracy: float | None
    validation: float | None
    silent: int
    lowest_to_backprop: float | None
    median_to_backprop: float | None
    lowest_to_equilibrium: float | None
    median_to_equilibrium: float | None
    seconds: float
    """Of processor time, compilation included."""
    megabytes: float
    """Of memory, the most that the process held."""
    machine: str
    versions: str
    date: str
    to_backprop: list[float | None] | None = None
    to_equilibrium: list[float | None] | None = None


def read_runs(path: Path) -> dict[str, LocalRun]:
    """Return finished runs by the digests of their scenarios."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = [LocalRun(**json.loads(line)) for line in lines]
    return {run.digest: run for run in found}


def measure(planned: Planned, folder: Path) -> LocalRun:
    """Do a run, with its trace in `folder` while it lasts."""
    scenario, digest = planned.scenario(), planned.digest()
    target = folder / f"{planned.name}-{digest}.h5"
    begun = time.process_time()
    try:
        trace = pcsim.run(scenario, path=target, force=True)
    except RunFailed as error:
        if error.trace is None or error.exit_code != RunFailed.exit_code:  # broken off, not diverged
            raise
        trace = error.trace
    seconds = round(time.process_time() - begun, 1)
    megabytes = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    with trace:
        complete = trace.status == "complete"
        compared = complete and bool(trace.gradient)
        to_backprop = cosines(trace, scenario, backpropagated) if compared else None
        to_equilibrium = cosines(trace, scenario, at_equilibrium) if compared else None
        accuracy, validation = (_last(trace, f"{part}_accuracy") for part in ("test", "validation"))
        silent = len(str(trace.attributes.get("silent_layers", "")).split())
    target.unlink()
    remove_checkpoint(target)
    machine = describe_machine(("jax", "jaxlib"))

    return LocalRun(
        planned.name,
        list(planned.overrides),
        planned.seed,
        digest,
        accuracy if complete else None,
        validation if complete else None,
        silent,
        *summary(to_backprop),
        *summary(to_equilibrium),
        seconds,
        megabytes,
        f"{machine['processor']}, one thread",
        machine["versions"],
        datetime.date.today().isoformat(),
        to_backprop,
        to_equilibrium,
    )


def _last(trace: Trace, name: str) -> float | None:
    """Return a measure after the last epoch, None where there is none."""
    values = trace.training.get(name)
    return float(values[-1]) if values is not None and len(values) and np.isfinite(values[-1]) else None


def cosines(
    trace: Trace, scenario: Scenario, reference: Callable[[Trace, Scenario], dict[str, NDArray[np.float64]] | None]
) -> list[float | None] | None:
    """Return the cosines of a trace's weight gradients to those of a reference, by layer; None where that has none."""
    other = reference(trace, scenario)
    if other is None:
        return None
    own = of_update(trace, scenario)
    found = [cosine(own[name], other[name]) for name in other if name.startswith("W_")]
    return [value if np.isfinite(value) else None for value in found]


def summary(found: Sequence[float | None] | None) -> tuple[float | None, float | None]:
    """Return the lowest and the median of cosines, those of layers of zeros left out."""
    finite = [value for value in found or () if value is not None]
    return (min(finite), float(np.median(finite))) if finite else (None, None)


def of_update(trace: Trace, scenario: Scenario) -> Mapping[str, NDArray[Any]]:
    """Return the gradient that weights would learn from at the end of a trace.

    Recorded is that of the energy. Where weights learn from errors against the forward pass it is another, which
    inference on the host has, in the numbers of the run: a state that never moved has no error there.
    """
    learner = build_learner(scenario, build_network(scenario))
    if not learner.recalls_forward_pass:
        return trace.gradient
    point = read_point(trace, learner.inference.energy.network)
    dtype = dtype_of(precision_of(trace))
    parameters = tuple({name: array.astype(dtype) for name, array in own.items()} for own in point.parameters)
    batch = Batch(host_namespace(), learner, point.x.astype(dtype), point.y.astype(dtype))
    clamped, end, *_ = batch.settle(parameters)
    return by_name(batch.gradient(clamped, end))


def cosine(a: Shaped[NDArray[np.floating], "..."], b: Shaped[NDArray[np.floating], "..."]) -> float:
    """Return the cosine between two arrays, of numbers however small; NaN where one is zero."""
    first, second = (_scaled(array) for array in (a, b))
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / length if length > 0 else float("nan")


def _scaled(array: Shaped[NDArray[np.floating], "..."]) -> Float64[NDArray[np.float64], " n"]:
    flat = np.asarray(array, dtype=np.float64).ravel()
    size = np.abs(flat).max()
    return flat / size if size > 0 else flat


def backpropagated(trace: Trace, scenario: Scenario) -> dict[str, NDArray[np.float64]] | None:
    """Return backpropagation's gradient of the loss at the end of a trace, in float64."""
    energy = build_inference(scenario, build_network(scenario)).energy.bare
    return _gradient(trace, Backprop(energy), 1, None)


def at_equilibrium(trace: Trace, scenario: Scenario) -> dict[str, NDArray[np.float64]] | None:
    """Return the gradient of the energy at every sample's equilibrium, in float64; None where one was not found.

    The energy has the precisions that were learned. None, too, where layers are predicted from above: the search is
    for energies without.
    """
    if scenario.inference.method == "bidirectional":
        return None
    network = build_network(scenario)
    energy = build_inference(scenario, network).energy.at(read_point(trace, network).parameters)
    method = Equilibrium(energy, RESIDUAL, MOST_EVALUATIONS)
    return _gradient(trace, method, MOST_EVALUATIONS, StopRule(grad_norm=RESIDUAL))


def _gradient(
    trace: Trace, inference: Inference, steps: int, stop: StopRule | None
) -> dict[str, NDArray[np.float64]] | None:
    point = read_point(trace, inference.energy.network)
    learner = Learner(inference, GradientDescent(1.0), steps, SGD(), stop=stop)
    batch = Batch(host_namespace(), learner, point.x, point.y)
    clamped, end, _, taken = batch.settle(point.parameters)
    if taken is not None and int(taken) == steps:
        return None
    return by_name(batch.gradient(clamped, end))


def main(words: Sequence[str] | None = None) -> int:
    file, folder, planned = arguments(words)
    run = measure(planned, folder)
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(asdict(run)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
