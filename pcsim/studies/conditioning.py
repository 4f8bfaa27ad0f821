"""Condition number of the activity Hessian: over width and depth, and during training (thesis, ch. 5)."""

from collections.abc import Iterator, Sequence
from math import inf
from typing import Any

import numpy as np

from pcsim.assemble import build_inference, build_network, inferring_with
from pcsim.curvature import Extremes, extremes, state_curvature
from pcsim.engine.host import host_namespace
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.grid import Lines, draw_grid, grid_of, with_untrained
from pcsim.studies.parts import trained_inputs, without_learning
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results
from pcsim.studies.rows import Measures


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Return the ends of the Hessian's spectrum for every run; where runs train, of trained and untrained networks."""
    for runs, found in attempts.of(_extremes, with_untrained(attempts.runs)):
        yield _together(runs, found)


def _extremes(each: Run, place: Place) -> Measures:
    """Return the extreme eigenvalues of the Hessian over the states of the first sample at the feedforward pass."""
    inputs, scenario = trained_inputs(each, place), without_learning(each)
    inference, xp = build_inference(scenario, build_network(scenario)), host_namespace()
    energy = inferring_with(inference, inputs.parameters).energy
    clamped = energy.clamp(xp, inputs.parameters, inputs.x[:1], inputs.y[:1])
    found = extremes(state_curvature(xp, energy, clamped, energy.feedforward(xp, clamped)[0]))
    return {"smallest": found.smallest, "largest": found.largest, "condition": _condition_number(found)}


def _together(runs: Sequence[Run], found: Sequence[Measures]) -> Results:
    source = "thesis C.9 and Figs. 5.2 to 5.4"
    meanings = {
        "smallest": "smallest eigenvalue of the activity Hessian",
        "largest": "largest eigenvalue of the activity Hessian",
        "condition": "the size of their ratio, infinite where the first is 0",
    }
    return grid_of(runs) | {
        name: Measured(np.array([each[name] for each in found]), ("run",), meaning, source=source)
        for name, meaning in meanings.items()
    }


def _condition_number(each: Extremes) -> float:
    """Return |λ_max|/|λ_min|, which the thesis takes for indefinite Hessians, too."""
    return abs(each.largest) / abs(each.smallest) if each.smallest else inf


def draw(results: Results) -> Any:
    """Draw condition numbers over depth, lines by width, or over epochs; a panel for everything else swept."""
    return draw_grid(results, Lines("condition", "condition number of the activity Hessian", log=True))


def table(results: Results) -> list[dict[str, str]]:
    """Return smallest and largest condition number of every variant, and where they are."""
    rows: list[dict[str, str]] = []
    variant, condition = results["variant"].values, results["condition"].values
    for name in dict.fromkeys(variant):
        chosen = np.flatnonzero(variant == name)
        low, high = (int(chosen[pick(condition[chosen])]) for pick in (np.argmin, np.argmax))
        rows.append(
            {
                "variant": str(name) or "the scenario",
                "smallest": f"{condition[low]:.3g}",
                "at": _place(results, low),
                "largest": f"{condition[high]:.4g}",
                "there": _place(results, high),
            }
        )
    return rows


def _place(results: Results, i: int) -> str:
    values = {name: int(results[name].values[i]) for name in ("width", "depth", "epochs")}
    trained = f", {values['epochs']} epochs" if results["epochs"].values.any() else ""
    return f"width {values['width']}, {values['depth']} hidden{trained}"
