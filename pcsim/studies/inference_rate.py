"""Steps of gradient descent to equilibrium against the condition number that sets them, in deep linear networks."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from pcsim.errors import UsageError
from pcsim.figures.axes import as_text, new_figure
from pcsim.linear import LinearTrajectory
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.exact import distance_left, system_of, trajectory
from pcsim.studies.grid import grid_of, unknowns_of
from pcsim.studies.parts import OKABE_ITO, inputs_of
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results
from pcsim.studies.rows import Measures
from pcsim.typing import NDArray

LEVEL = 0.01
"""Share of the distance from equilibrium at the start down to which steps are counted."""
MOST_STEPS = 2**40
_MARKS = "osD^vP"


def require_of_each(each: Run) -> None:
    """Raise `UsageError` unless the network is linear, not too large, and moves its states."""
    unknowns_of(each.scenario)
    if each.scenario.inference.method != "state":
        raise UsageError('the study inference-rate is of state optimization; write method = "state" in [inference]')
    system_of(each.scenario, inputs_of(each.scenario))


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Follow the exact trajectory of every run at the step size that is best for its Hessian, 2/(λ_max + λ_min)."""
    for runs, found in attempts.of(_measured):
        condition, size, steps = (np.array([each[n] for each in found]) for n in ("condition", "step_size", "steps"))
        yield grid_of(runs) | {
            "condition": Measured(condition, ("run",), "condition number of the activity Hessian"),
            "step_size": Measured(size, ("run",), "the best constant step size, 2/(λ_max + λ_min)"),
            "steps": Measured(steps, ("run",), f"steps until {LEVEL:.0%} of the median distance is left", "steps"),
        }


def _measured(each: Run, place: Place) -> Measures:
    require_of_each(each)
    path = trajectory(each.scenario, inputs_of(each.scenario))
    low, high = (float(path.curvatures[i]) for i in (0, -1))
    best = 2 / (low + high)
    return {"condition": high / low, "step_size": best, "steps": _steps(path, best)}


def _steps(path: LinearTrajectory, step_size: float) -> float:
    """Return the first step at which a share LEVEL of the distance is left; it falls with every step of this size."""

    def is_near(step: int) -> bool:
        return distance_left(path, step, step_size) <= LEVEL

    below, above = 0, 1
    while not is_near(above):
        below, above = above, 2 * above
        if above > MOST_STEPS:
            return float("nan")
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if is_near(middle) else (middle, above)
    return float(above)


def draw(results: Results) -> Any:
    """Draw steps against condition number, a mark a run, with the bound κ/2 · log(1/level) of the theory."""
    condition, steps = results["condition"].values, results["steps"].values
    variant = results["variant"].values.astype(str)
    figure, axes = new_figure((6.4, 4.6))
    for i, name in enumerate(dict.fromkeys(variant)):
        own, label = variant == name, as_text(name)
        axes.plot(
            condition[own],
            steps[own],
            _MARKS[i % len(_MARKS)],
            color=OKABE_ITO[i % len(OKABE_ITO)],
            label=label,
        )
    shown: NDArray[np.float64] = np.geomspace(condition.min(), condition.max(), 50)
    axes.plot(
        shown, shown / 2 * np.log(1 / LEVEL), color="black", linewidth=0.9, label="κ/2 · log 100, the slowest mode"
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("condition number κ of the activity Hessian")
    axes.set_ylabel(f"steps of SO to {LEVEL:.0%} of the distance")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.2)
    return figure


def table(results: Results) -> list[dict[str, str]]:
    """Return the range of condition numbers of every variant, of steps, and of one over the other."""
    variant, condition, steps = (results[name].values for name in ("variant", "condition", "steps"))
    rows: list[dict[str, str]] = []
    for name in dict.fromkeys(variant):
        own = variant == name
        rows.append(
            {
                "variant": str(name),
                "runs": str(int(own.sum())),
                "condition number κ": _range(condition[own]),
                f"steps to {LEVEL:.0%}": _range(steps[own]),
                "steps / κ": _range(steps[own] / condition[own]),
            }
        )
    return rows


def _range(values: NDArray[np.float64]) -> str:
    known = values[~np.isnan(values)]
    missing = f", not reached in {len(values) - len(known)} runs" if len(known) < len(values) else ""
    return f"{known.min():.3g} to {known.max():.3g}{missing}" if len(known) else "not reached"
