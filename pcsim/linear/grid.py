"""Condition numbers over widths and depths (thesis, Fig. 5.2)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from pcsim.assemble import build_inference, build_network, initial_parameters
from pcsim.curvature import NotPositiveDefinite
from pcsim.errors import UsageError
from pcsim.linear.build import linear_system
from pcsim.scenario import Scenario
from pcsim.typing import NDArray


def condition_numbers(
    scenario: Scenario, widths: Sequence[int], hidden_layers: Sequence[int]
) -> Float64[NDArray[np.float64], "hidden_layers widths"]:
    """Return the condition number of the activity Hessian for every number of hidden layers and every width.

    All else is the scenario's: the widths of input and output, parametrisation, initialiser, skips, biases, precisions,
    decay and seed. No data are read: the Hessian does not depend on them. Infinite where it is beyond 1e14.
    Raises `UsageError` for a network that is not linear, or widths that its precisions or decays do not fit.
    """
    problems = {
        "inference.input": scenario.inference.input != "clamped",
        "network.weights": scenario.network.weights is not None,
        "network.precisions": isinstance(scenario.network.precisions, Sequence),
        "network.activity_decay": isinstance(scenario.network.activity_decay, Sequence),
    }
    for key, is_there in problems.items():
        if is_there:
            raise UsageError(f"{scenario.where(key)}: speaks of one size; leave it out, to compare networks of several")
    return np.array([[_condition_number(scenario, n, count) for n in widths] for count in hidden_layers])


def _condition_number(scenario: Scenario, width: int, hidden_layers: int) -> float:
    first, *_, last = scenario.network.widths
    table = scenario.network.model_copy(update={"widths": (first, *(width,) * hidden_layers, last)})
    resized = scenario.model_copy(update={"network": table})
    network = build_network(resized)
    energy, parameters = build_inference(resized, network).energy, initial_parameters(resized, network)
    try:
        return linear_system(energy, parameters, np.zeros((1, first)), np.zeros((1, last))).condition_number()
    except NotPositiveDefinite:
        return np.inf
