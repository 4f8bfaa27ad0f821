"""Eigenvalues of the Hessians over the weights at the origin: of the loss, and of the equilibrated energy."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from pcsim.assemble import build_network, hidden_units, load_inputs, read_dataset
from pcsim.figures.axes import new_figure
from pcsim.landscape import (
    WeightLandscape,
    energy_hessian,
    energy_spectrum_at_origin,
    loss_hessian,
    loss_spectrum_at_origin,
    weight_landscape,
)
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.one_unit import BACKPROP, PREDICTIVE
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results, padded, unpadded
from pcsim.studies.rows import Measures

OF = {"loss": "loss", "energy": "equilibrated energy"}
SOURCE = {"loss": "thesis 4.6", "energy": "thesis 4.8"}


def require_of_each(each: Run) -> None:
    """Raise `UsageError` unless the network is linear."""
    _landscape(each.scenario)


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Return for every run all eigenvalues of both Hessians, computed and in closed form."""
    for runs, found in attempts.of(_spectra):
        depths = [len(hidden_units(each.scenario)) for each in runs]
        results: dict[str, Measured] = {"hidden": Measured(np.array(depths), ("run",), "hidden layers")}
        for name in found[0]:
            kind, _, closed = name.partition("_")
            how = "in closed form" if closed else "of the Hessian formed"
            meaning = f"eigenvalues of the {OF[kind]} at the origin, {how}, NaN beyond the last"
            rows = padded([each[name] for each in found])
            results[name] = Measured(rows, ("run", "eigenvalue"), meaning, source=SOURCE[kind])
        yield results


def _spectra(each: Run, place: Place) -> Measures:
    landscape = _landscape(each.scenario)
    zeros = landscape.split(np.zeros(landscape.size))
    return {
        "loss": np.linalg.eigvalsh(loss_hessian(landscape, zeros)),
        "energy": np.linalg.eigvalsh(energy_hessian(landscape, zeros)),
        "loss_closed": loss_spectrum_at_origin(landscape),
        "energy_closed": energy_spectrum_at_origin(landscape),
    }


def _landscape(scenario: Scenario) -> WeightLandscape:
    network = build_network(scenario)
    inputs = load_inputs(scenario, network, read_dataset(scenario))
    return weight_landscape(network, inputs.x, inputs.y)


def draw(results: Results) -> Any:
    """Draw all eigenvalues in ascending order, a panel a depth: closed forms as lines, the computed ones as points."""
    depths = results["hidden"].values
    figure, panels = new_figure((3.9 * len(depths) + 0.6, 3.8), 1, len(depths), squeeze=False, sharey=True)
    for i, (axes, depth) in enumerate(zip(panels[0], depths, strict=True)):
        for kind, colour in (("loss", BACKPROP), ("energy", PREDICTIVE)):
            closed, formed = (results[name].values[i] for name in (f"{kind}_closed", kind))
            kept = np.flatnonzero(np.isfinite(formed))
            axes.plot(kept + 1, closed[kept], color=colour, linewidth=1.2, label=f"{OF[kind]}, closed form")
            axes.plot(kept + 1, formed[kept], ".", color=colour, markersize=4, alpha=0.5, label=f"{OF[kind]}, computed")
        axes.set_title(f"{depth} hidden layer{'s' if depth > 1 else ''}", fontsize=9)
        axes.set_yscale("symlog", linthresh=1e-3)
        axes.set_xlabel("eigenvalue, in ascending order")
        axes.grid(alpha=0.2)
    panels[0][0].set_ylabel("curvature at the origin")
    panels[0][-1].legend(fontsize=8, loc="lower right", frameon=False)
    return figure


def table(results: Results) -> list[dict[str, str]]:
    """Return the lowest curvatures for every depth, and how far closed form and computation are apart."""
    rows: list[dict[str, str]] = []
    for i, depth in enumerate(results["hidden"].values):
        row = {"hidden layers": str(depth)}
        apart = 0.0
        for kind, words in OF.items():
            formed, closed = (unpadded(results[name].values[i]) for name in (kind, f"{kind}_closed"))
            row[f"lowest of the {words}"] = f"{formed.min():.4g}"
            apart = np.maximum(apart, np.abs(formed - closed).max())
        rows.append(row | {"closed form off by": f"{apart:.1e}"})
    return rows
