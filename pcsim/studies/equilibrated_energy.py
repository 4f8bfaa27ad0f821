"""The equilibrated energy of deep linear networks beside inference that has converged, while they learn."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from pcsim.assemble import Inputs, build_network, hidden_units
from pcsim.errors import UsageError
from pcsim.figures.axes import new_figure
from pcsim.landscape import WeightLandscape, weight_landscape
from pcsim.runs.simulation import prepare
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.one_unit import BACKPROP, PREDICTIVE
from pcsim.studies.parts import inputs_of
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results
from pcsim.studies.rows import Measures
from pcsim.trace.layout import Block
from pcsim.typing import NDArray

SOURCE = "thesis 4.5"
UPDATES, EVERY = 120, 10


def require_of_each(each: Run) -> None:
    """Raise `UsageError` unless the network is linear and learns."""
    _descent(each)


def _descent(each: Run) -> tuple[Inputs, WeightLandscape, float]:
    if each.scenario.learning is None:
        raise UsageError("the study descends by the rate in [learning]; add the table with lr")
    inputs = inputs_of(each.scenario)
    return inputs, weight_landscape(build_network(each.scenario), inputs.x, inputs.y), each.scenario.learning.largest_lr


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Descend the equilibrated energy on one batch, and at every tenth update let the scenario's inference converge."""
    for runs, found in attempts.of(_learned):
        depths = [len(hidden_units(each.scenario)) for each in runs]
        values = np.stack([each["rows"] for each in found])
        yield {
            "hidden": Measured(np.array(depths), ("run",), "hidden layers"),
            "update": Measured(np.arange(0, UPDATES + 1, EVERY), ("update",), "updates of the weights"),
            "loss": Measured(values[:, :, 0], ("run", "update"), "loss"),
            "theory": Measured(values[:, :, 1], ("run", "update"), "equilibrated energy", source=SOURCE),
            "simulated": Measured(values[:, :, 2], ("run", "update"), "energy where inference converged"),
        }


def _learned(each: Run, place: Place) -> Measures:
    scenario, inputs, landscape, rate = each.scenario, *_descent(each)
    weights = tuple(layer["W"] for layer in inputs.parameters)
    rows: list[list[float]] = []
    for update in range(UPDATES + 1):
        if update % EVERY == 0:
            rows.append([landscape.loss(weights), landscape.energy(weights), _settled(scenario, inputs, weights)])
        weights = _updated(landscape, weights, rate)
    return {"rows": np.array(rows)}


def _updated(
    landscape: WeightLandscape, weights: tuple[NDArray[np.float64], ...], rate: float
) -> tuple[NDArray[np.float64], ...]:
    return tuple(w - rate * g for w, g in zip(weights, landscape.energy_gradient(weights), strict=True))


def _settled(scenario: Scenario, inputs: Inputs, weights: tuple[NDArray[np.float64], ...]) -> float:
    """Return the energy at the end of simulated inference; NaN where that did not converge."""
    alone = scenario.model_copy(update={"learning": None})
    given = replace(inputs, parameters=tuple({"W": w} for w in weights))
    simulation, blocks = prepare(alone, given), list[Block]()
    settled = simulation.backend.settle(simulation.task, blocks.append, lambda _: False)
    energy = blocks[-1].energy
    return float(energy[-1].sum()) if settled.converged and energy is not None else np.nan


def draw(results: Results) -> Any:
    """Draw loss and energies over the updates, a panel a depth."""
    depths, update = results["hidden"].values, results["update"].values
    figure, panels = new_figure((3.9 * len(depths) + 0.6, 3.8), 1, len(depths), squeeze=False, sharey=True)
    for i, axes in enumerate(panels[0]):
        theory, simulated = (results[name].values[i] for name in ("theory", "simulated"))
        axes.plot(update, results["loss"].values[i], color=BACKPROP, linewidth=1.4, label="loss")
        axes.plot(update, theory, color=PREDICTIVE, linewidth=1.4, label="equilibrated energy, theory")
        axes.plot(update, simulated, "o", color=PREDICTIVE, fillstyle="none", label="energy, simulated inference")
        apart = np.max(np.abs(simulated / theory - 1))
        hidden = f"{depths[i]} hidden layer{'s' if depths[i] > 1 else ''}"
        axes.set_title(f"{hidden}, largest relative difference {apart:.0e}", fontsize=9)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("updates")
    panels[0][0].set_ylabel("energy, mean over the batch")
    panels[0][-1].legend(fontsize=8, frameon=False)
    return figure


def table(results: Results) -> list[dict[str, str]]:
    """Return loss and energies after the last update, and the largest relative difference of all."""
    rows: list[dict[str, str]] = []
    for i, depth in enumerate(results["hidden"].values):
        loss, theory, simulated = (results[name].values[i] for name in ("loss", "theory", "simulated"))
        rows.append(
            {
                "hidden layers": str(depth),
                "last loss": f"{loss[-1]:.4g}",
                "last energy": f"{theory[-1]:.4g}",
                "largest relative difference": f"{np.max(np.abs(simulated / theory - 1)):.1e}",
            }
        )
    return rows
