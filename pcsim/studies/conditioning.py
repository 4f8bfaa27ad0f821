"""Condition number of the activity Hessian: over width and depth, and during training (thesis, ch. 5)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcsim.scenario import Run, Scenario
from pcsim.studies.exact import extreme_curvatures
from pcsim.studies.grid import Lines, draw_grid, grid_of, unknowns_of, with_untrained
from pcsim.studies.parts import trained_inputs, without_learning
from pcsim.studies.results import Measured, Results


def compute(scenario: Scenario, runs: Sequence[Run]) -> Iterator[Results]:
    """Return largest and smallest eigenvalue of the Hessian for every run, of trained networks where runs train."""
    extremes: list[tuple[float, float]] = []
    runs = with_untrained(runs)
    for each in runs:
        unknowns_of(each.scenario)
        inputs = trained_inputs(each.scenario)
        extremes.append(extreme_curvatures(without_learning(each), inputs))
        yield _together(runs[: len(extremes)], np.array(extremes))


def _together(runs: Sequence[Run], extremes: NDArray[np.float64]) -> Results:
    source = "thesis C.9 and Figs. 5.2 to 5.4"
    return grid_of(runs) | {
        "smallest": Measured(extremes[:, 0], ("run",), "smallest eigenvalue of the activity Hessian", source=source),
        "largest": Measured(extremes[:, 1], ("run",), "largest eigenvalue of the activity Hessian", source=source),
        "condition": Measured(
            extremes[:, 1] / extremes[:, 0], ("run",), "their ratio, the condition number", source=source
        ),
    }


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
