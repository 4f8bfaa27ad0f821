"""Inference of two hidden units beside the trust-region steps of the loss in activity space (Innocenti et al. 2023)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pcsim.assemble import build_network
from pcsim.errors import UsageError
from pcsim.figures.axes import new_figure
from pcsim.landscape import WeightLandscape, Weights, angle, trust_region_activity_step, weight_landscape
from pcsim.runs.simulation import prepare
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.one_unit import BACKPROP, OTHER, PREDICTIVE
from pcsim.studies.parts import inputs_of
from pcsim.studies.results import Measured, Results
from pcsim.trace.layout import Block
from pcsim.typing import NDArray

MULTIPLIERS = np.geomspace(1e-3, 1e3, 121)
COUNT = 81
SOURCE = "trust-region paper: min L(z + d) + mu/2 |d|^2"


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless the network is linear with one hidden layer of two units."""
    if len(scenario.network.widths) != 3 or scenario.network.widths[1] != 2:
        raise UsageError(
            f"{scenario.where('network.widths')}: the study draws one hidden layer of two units; give it that"
        )
    inputs = inputs_of(scenario)
    weight_landscape(build_network(scenario), inputs.x, inputs.y)


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Return the path of inference of the first sample, the steps for all multipliers, and the loss over the states."""
    states = _states(scenario)
    network = build_network(scenario)
    inputs = inputs_of(scenario)
    landscape = weight_landscape(network, inputs.x[:1], inputs.y[:1])
    weights = tuple(layer["W"] for layer in inputs.parameters)
    steps = np.concatenate([trust_region_activity_step(landscape, weights, float(mu)) for mu in MULTIPLIERS])
    start, best = states[0], states[0] + steps[0]
    places = _places(start, best)
    yield {
        "state": Measured(states, ("step", "unit"), "states in inference by descent, from the feedforward pass"),
        "multiplier": Measured(MULTIPLIERS, ("multiplier",), "Lagrange multiplier of the trust region"),
        "trust_region": Measured(
            start + steps, ("multiplier", "unit"), "states after the trust-region step", source=SOURCE
        ),
        "place": Measured(places, ("second", "first", "unit"), "states at which the loss is drawn"),
        "loss": Measured(_loss(landscape, weights, places), ("second", "first"), "loss of the output they predict"),
    }


def _states(scenario: Scenario) -> NDArray[np.float64]:
    """Return the hidden states of the first sample at every step of simulated inference."""
    told = scenario.trace.model_copy(update={"record": ("energy", "states"), "every": 1})
    simulation, blocks = prepare(scenario.model_copy(update={"trace": told, "study": None})), list[Block]()
    simulation.backend.settle(simulation.task, blocks.append, lambda _: False)
    return np.concatenate([block.states[0][:, 0] for block in blocks if block.states is not None]).astype(np.float64)


def _places(start: NDArray[np.float64], best: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a square of states around the start and the lowest loss."""
    middle, reach = (start + best) / 2, 0.8 * float(np.abs(best - start).max())
    first, second = (np.linspace(centre - reach, centre + reach, COUNT) for centre in middle)
    return np.stack(np.meshgrid(first, second), axis=-1)


def _loss(landscape: WeightLandscape, weights: Weights, places: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 * np.sum((landscape.y[0] - places @ landscape.above(weights)[0].T) ** 2, axis=-1)


def draw(results: Results) -> Any:
    """Draw the loss over the two states, backpropagation's direction, the path of inference and trust-region steps."""
    figure, axes = new_figure((7.2, 5.2))
    place, loss, states = (results[name].values for name in ("place", "loss", "state"))
    mesh = axes.contourf(place[..., 0], place[..., 1], loss, levels=24, cmap="Greys")
    figure.colorbar(mesh, ax=axes, label="loss", shrink=0.9)
    steps = results["trust_region"].values
    down = steps[-1] - states[0]
    far = states[0] + down / np.linalg.norm(down) * 1.5 * np.linalg.norm(states[-1] - states[0])
    axes.plot(
        *np.stack([states[0], far]).T,
        color=BACKPROP,
        linewidth=1.6,
        label="backpropagation, $-\\partial L/\\partial z$",
    )
    axes.plot(*steps.T, color=OTHER, linewidth=1.6, label="trust-region steps, any multiplier")
    axes.plot(*states.T, "o-", color=PREDICTIVE, markersize=3, linewidth=1, label="inference, step by step")
    one = steps[np.argmin(np.abs(np.log(results["multiplier"].values)))]
    axes.plot(*one, "s", color=OTHER, markersize=11, fillstyle="none", label="trust-region step, multiplier 1")
    axes.plot(*states[0], "k^", label="feedforward pass")
    axes.plot(*steps[0], "k*", markersize=11, label="lowest loss")
    axes.set_aspect("equal")
    axes.set_xlim(place[..., 0].min(), place[..., 0].max())
    axes.set_ylim(place[..., 1].min(), place[..., 1].max())
    axes.set_xlabel("$z_1$")
    axes.set_ylabel("$z_2$")
    figure.legend(fontsize=8, loc="outside lower center", ncols=2, frameon=False)
    return figure


def table(results: Results) -> list[dict[str, str]]:
    """Return how far inference ends from the step with multiplier 1, and angles to the lowest loss."""
    states, steps = results["state"].values, results["trust_region"].values
    one = steps[np.argmin(np.abs(np.log(results["multiplier"].values)))]
    best = steps[0] - states[0]
    return [
        {
            "step": name,
            "length": f"{np.linalg.norm(step):.4g}",
            "angle to the lowest loss": f"{angle(step, best):.1f}°",
            "from the trust-region step of multiplier 1": apart,
        }
        for name, step, apart in (
            ("backpropagation (direction)", steps[-1] - states[0], "–"),
            ("inference", states[-1] - states[0], f"{np.linalg.norm(states[-1] - one):.1e}"),
            ("trust region, multiplier 1", one - states[0], "0"),
        )
    ]
