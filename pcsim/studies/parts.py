"""What several kinds of studies are made of: colours, trained weights, inference from given arrays."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from pcsim.assemble import Inputs, build_network, load_inputs, read_dataset
from pcsim.errors import UsageError
from pcsim.recorded import check_parameters, parameters_of
from pcsim.runs.sample_arrivals import SampleArrivals
from pcsim.runs.simulation import Simulation, prepare
from pcsim.runs.tracing import create_trace, final_arrays, outcome_of, status_of
from pcsim.scenario import Run, Scenario
from pcsim.scenario.trace import Recordable
from pcsim.studies.place import NOWHERE, Place
from pcsim.trace import Trace
from pcsim.typing import NDArray

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
"""Colours that people of any colour vision tell apart (Okabe and Ito 2008)."""


def require_recorded(scenario: Scenario, runs: Sequence[Run], name: Recordable) -> None:
    """Raise `UsageError` unless every run records what a study measures."""
    if any(name not in each.scenario.trace.record for each in runs):
        raise UsageError(
            f"{scenario.where('trace.record')}: the study measures {name}, and a run does not record it; add "
            f'"{name}" to the list'
        )


def inputs_of(scenario: Scenario) -> Inputs:
    """Return the arrays a scenario starts from: parameters drawn or read, and the batch."""
    network = build_network(scenario)
    return load_inputs(scenario, network, read_dataset(scenario))


def trained_inputs(each: Run, place: Place = NOWHERE) -> Inputs:
    """Train as a run's [learning] says, if it has any, and return its arrays with the weights that come of it."""
    scenario = each.scenario
    inputs = inputs_of(scenario)
    if scenario.learning is None:
        return inputs
    with place.run(each) as trace:
        parameters = check_parameters(trace, build_network(scenario), parameters_of(trace))
    return replace(inputs, parameters=parameters)


def without_learning(each: Run) -> Scenario:
    """Return the scenario of a run for inference alone."""
    return each.scenario.model_copy(update={"learning": None})


def settle(scenario: Scenario, inputs: Inputs) -> Trace:
    """Run inference from given arrays and return its trace, in memory."""
    return _settled(prepare(scenario, inputs))


def _settled(simulation: Simulation) -> Trace:
    with create_trace(simulation, None, force=False) as writer:
        arrivals = SampleArrivals(simulation.task, writer.append)
        settled = simulation.backend.settle(simulation.task, arrivals.append, lambda clock: False)
        return writer.finish(status_of(settled), outcome_of(settled), {**final_arrays(settled), **arrivals.arrays()})


def distances(trace: Trace, layer: int, end: NDArray[np.float64]) -> Float64[NDArray[np.float64], "row sample"]:
    """Return how far every sample's state of a layer is from its `end`, (sample, *shape), in every row."""
    states = trace.states(layer).astype(np.float64)
    return np.linalg.norm((states - end).reshape(*states.shape[:2], -1), axis=-1)


def deviation(values: Float64[NDArray[np.float64], "run ..."]) -> Float64[NDArray[np.float64], "..."]:
    """Return the standard deviation over the first axis, with n − 1; zeros for a single run."""
    return np.asarray(values.std(axis=0, ddof=1)) if len(values) > 1 else np.zeros(values.shape[1:])


def standard_error(values: Float64[NDArray[np.float64], "run ..."]) -> Float64[NDArray[np.float64], "..."]:
    """Return the standard error of the mean over the first axis; zeros for a single run."""
    return np.asarray(deviation(values) / np.sqrt(len(values)))


def mean_in_words(values: Float64[NDArray[np.float64], " run"], mean: str, spread: str) -> str:
    """Return `mean ± deviation` in two number formats, the mean alone of a single run."""
    told = format(values.mean(), mean)
    return told if len(values) == 1 else f"{told} ± {format(float(deviation(values)), spread)}"
