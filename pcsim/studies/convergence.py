"""How far the states of a deep linear network are from their exact equilibrium, step by step (EO paper, Fig. 5)."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float64

from pcsim.assemble import Inputs, hidden_units, sizes_key
from pcsim.errors import UsageError
from pcsim.figures.axes import as_text, new_figure
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.exact import equilibrium, system_of
from pcsim.studies.parts import (
    OKABE_ITO,
    distances,
    inputs_of,
    require_recorded,
    settle,
    trained_inputs,
    without_learning,
)
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results, padded
from pcsim.studies.rows import Measures
from pcsim.studies.work import Work
from pcsim.trace import Trace
from pcsim.typing import NDArray

WORK = Work.ONCE
LEVELS = (0.1, 0.01)
"""Shares of the median distance at the start whose steps are counted."""
QUARTILES = (0.25, 0.5, 0.75)
MEDIAN = QUARTILES.index(0.5)
_METHODS = {"state": OKABE_ITO[0], "error": OKABE_ITO[1]}


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless runs record states, of a deep linear network."""
    require_recorded(scenario, runs, "states")
    if len(hidden_units(scenario)) < 2:
        where = scenario.where(sizes_key(scenario))
        raise UsageError(f"{where}: the study convergence needs two hidden layers or more; add some")
    system_of(without_learning(runs[0]), inputs_of(scenario))


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Train once, solve for the equilibrium, and measure every run against it; runs need states in their record."""
    inputs = trained_inputs(Run(scenario.alone(), {}))
    end = equilibrium(without_learning(attempts.runs[0]), inputs)
    last = len(end) - 1
    watched = sorted({0, last // 2, last})
    for runs, found in attempts.of(partial(_followed, inputs, end, watched)):
        yield _together(runs, watched, [each["steps"] for each in found], [each["distance"] for each in found])


def _followed(
    inputs: Inputs, end: Sequence[NDArray[np.float64]], watched: list[int], each: Run, place: Place
) -> Measures:
    with settle(without_learning(each), inputs) as trace:
        steps = np.asarray(trace.steps, dtype=np.float64)
        failure = trace.attributes.get("failure")
        return {"steps": steps, "distance": _distance(trace, end, watched), "failure": failure}


def _distance(
    trace: Trace, end: Sequence[NDArray[np.float64]], watched: list[int]
) -> Float64[NDArray[np.float64], "row layer quartile"]:
    """Return quartiles over the samples of the distance from equilibrium."""
    # a run that diverges may be beyond float64 before it is stopped
    with np.errstate(over="ignore", invalid="ignore"):
        found = [distances(trace, i, end[i]) for i in watched]
        return np.stack([np.quantile(each, QUARTILES, axis=-1).T for each in found], axis=1)


def _together(
    runs: Sequence[Run], watched: list[int], steps: list[NDArray[Any]], distances: list[NDArray[Any]]
) -> Results:
    reached = np.stack([_reached(s, d[..., MEDIAN]) for s, d in zip(steps, distances, strict=True)])
    source = "EO paper, Fig. 5"
    return {
        "run": Measured(np.array([each.label("steps") for each in runs]), ("run",), "values of the run's own"),
        "method": Measured(np.array([each.scenario.inference.method for each in runs]), ("run",), "what moves"),
        "layer": Measured(np.array(watched), ("layer",), "states that are watched"),
        "level": Measured(np.array(LEVELS), ("level",), "share of the median distance at the start"),
        "quartile": Measured(np.array(QUARTILES), ("quartile",), "share of the samples that are nearer"),
        "step": Measured(padded(steps), ("run", "row"), "recorded step, NaN beyond the last"),
        "distance": Measured(
            padded(distances),
            ("run", "row", "layer", "quartile"),
            "quartiles over the samples of the Euclidean distance from equilibrium",
            source=source,
        ),
        "reached": Measured(
            reached,
            ("run", "level", "layer"),
            "first recorded step from which the median distance stays below a level, NaN if never",
            "steps",
            source,
        ),
    }


def _reached(steps: NDArray[Any], median: NDArray[Any]) -> NDArray[np.float64]:
    found = np.full((len(LEVELS), median.shape[1]), np.nan)
    deviation = median / median[0]
    for i, level in enumerate(LEVELS):
        for j, column in enumerate(deviation.T):
            above = np.flatnonzero(~(column <= level))
            if above[-1] + 1 < len(steps):
                found[i, j] = steps[above[-1] + 1]
    return found


def draw(results: Results) -> Any:
    """Draw a panel a layer: median distance over steps and, shaded, the quartiles, of each method's best run.

    That is the one that ends nearest to the equilibrium.
    """
    labels, layers = results["run"].values, results["layer"].values
    step, distance = results["step"].values, results["distance"].values
    figure, (panels,) = new_figure((3.9 * len(layers), 4.2), 1, len(layers), squeeze=False, sharey=True)
    for j, axes in enumerate(panels):
        for method, i in _best(results).items():
            low, median, high = np.where(distance[i, :, j] > 0, distance[i, :, j], np.nan).T
            colour = _METHODS.get(method, OKABE_ITO[2])
            axes.plot(step[i], median, color=colour, linewidth=1.4, label=as_text(labels[i]))
            axes.fill_between(step[i], low, high, color=colour, alpha=0.25, linewidth=0)
        axes.set_xscale("symlog", linthresh=1, linscale=0.4)
        axes.set_xlim(left=0)
        axes.set_yscale("log")
        axes.set_title(f"$s_{{{layers[j]}}}$")
        axes.set_xlabel("inference step")
        axes.grid(alpha=0.2)
    panels[0].set_ylabel("distance from equilibrium\n(median and quartiles)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _best(results: Results) -> dict[str, int]:
    """Return for every method the run whose median distances, summed over the layers, are smallest at its end."""
    found: dict[str, int] = {}
    ends: dict[str, float] = {}
    for i, method in enumerate(str(name) for name in results["method"].values):
        rows = np.isfinite(results["step"].values[i])
        end = float(results["distance"].values[i, rows][-1, :, MEDIAN].sum())
        if end < ends.get(method, np.inf):
            found[method], ends[method] = i, end
    return found


def table(results: Results) -> list[dict[str, str]]:
    """Return the steps to each level for every run, and how many times more the best of SO takes than that of EO."""
    reached, layers = results["reached"].values, results["layer"].values
    rows = [
        {"run": str(label), **_cells(reached[i], layers, "{:,.0f}", "not reached")}
        for i, label in enumerate(results["run"].values)
    ]
    method = results["method"].values
    best = {name: _fastest(reached[method == name]) for name in ("state", "error") if (method == name).any()}
    if len(best) == 2:
        with np.errstate(invalid="ignore"):
            times = best["state"] / best["error"]
        rows.append({"run": "fastest state / fastest error", **_cells(times, layers, "{:.0f}×", "–")})
    return rows


def _fastest(reached: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isnan(reached), np.inf, reached).min(axis=0)


def _cells(values: NDArray[np.float64], layers: NDArray[Any], form: str, none: str) -> dict[str, str]:
    return {
        f"s_{layer} to {level:.0%}": form.format(values[i, j]) if np.isfinite(values[i, j]) else none
        for i, level in enumerate(LEVELS)
        for j, layer in enumerate(layers)
    }
