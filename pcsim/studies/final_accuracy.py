"""Test accuracy over steps, depth, width or activity decay (Alonso et al. 2024, Fig. 4; thesis, Figs. 5.1, C.12).

Where learning rates or step sizes are swept, every point is at those that are best there.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64

from pcsim.assemble import hidden_units
from pcsim.errors import UsageError
from pcsim.figures.axes import as_text, new_figure
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.outcome import outcome_of
from pcsim.studies.parts import OKABE_ITO, deviation, mean_in_words
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results
from pcsim.studies.rows import Measures
from pcsim.studies.work import Work
from pcsim.typing import NDArray

WORK = Work.RUNS
AXES = {
    "steps": "steps of inference",
    "depth": "hidden layers",
    "width": "width of the hidden layers",
    "decay": "activity decay",
}


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless runs train."""
    if any(each.scenario.learning is None for each in runs):
        raise UsageError(f"{scenario.where('study')}: the study final-accuracy needs runs that train; add [learning]")


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Train in every run; one that diverges is left out with its reason."""
    for runs, found in attempts.of(_accuracies):
        units = [hidden_units(each.scenario) for each in runs]
        values: dict[str, list[int] | list[float]] = {
            "steps": [each.scenario.inference.steps or 0 for each in runs],
            "depth": [len(each) for each in units],
            "width": [max(each, default=0) for each in units],
            "decay": [float(np.max(each.scenario.network.activity_decay)) for each in runs],
        }
        labels = [each.label("seed", "steps", "layers", "width", "activity decay", "lr", "step size") for each in runs]
        rates = [_rates(each.scenario) for each in runs]
        yield {
            "variant": Measured(np.array(labels), ("run",), "what else is a run's own"),
            **{name: Measured(np.array(numbers), ("run",), AXES[name]) for name, numbers in values.items()},
            "rates": Measured(np.array(rates), ("run", "rate"), "learning rate, and step size of inference"),
            "last": Measured(
                np.array([each["last"] for each in found]), ("run",), "test accuracy after the last epoch"
            ),
            "best": Measured(np.array([each["best"] for each in found]), ("run",), "best test accuracy of any epoch"),
        }


def _rates(scenario: Scenario) -> tuple[float, float]:
    step_size = scenario.inference.step_size
    rate = np.nan if scenario.learning is None else scenario.learning.largest_lr
    return rate, step_size if isinstance(step_size, float) else np.nan


def _accuracies(each: Run, place: Place) -> Measures:
    with place.run(each) as trace:
        measured = np.asarray(trace.training["test_accuracy"], dtype=np.float64)
        return {"last": measured[-1], "best": measured.max(), "outcome": outcome_of(trace)}


def draw(results: Results) -> Any:
    """Draw best accuracies, means over the seeds with their spread, a line a variant."""
    figure, axes = new_figure((6.4, 4.2))
    across = _axis(results)
    for i, label in enumerate(_variants(results)):
        places, colour = _places(results, across, label), OKABE_ITO[i % len(OKABE_ITO)]
        found = [_best(results, label, across, place) for place in places]
        mean, spread = [each.mean() for each in found], [float(deviation(each)) for each in found]
        axes.errorbar(places, mean, spread, color=colour, marker="o", capsize=3, linewidth=1.2, label=as_text(label))
    everywhere = np.unique(results[across].values)
    if everywhere[-1] > 5 * everywhere[0] > 0:
        axes.set_xscale("log", base=2)
        axes.minorticks_off()
    elif everywhere[0] == 0 and len(everywhere) > 2:
        axes.set_xscale("symlog", linthresh=everywhere[1], linscale=0.4)
        axes.minorticks_off()
    axes.set_xticks(everywhere, [f"{place:g}" for place in everywhere])
    axes.set_xlabel(AXES[across])
    axes.set_ylabel("best test accuracy (%)")
    axes.grid(alpha=0.2)
    if any(_variants(results)):
        axes.legend(fontsize=8, frameon=False)
    return figure


def _axis(results: Results) -> str:
    """Return what lines go over: depth before the steps that change with it; older traces have no decay."""
    varied = [name for name in ("depth", "width", "decay", "steps") if name in results and _varies(results, name)]
    return (varied or ["steps"])[0]


def _varies(results: Results, name: str) -> bool:
    return len(np.unique(results[name].values)) > 1


def _variants(results: Results) -> list[str]:
    return list(dict.fromkeys(results["variant"].values.astype(str).tolist()))


def _places(results: Results, across: str, label: str) -> list[int] | list[float]:
    """Return where on the axis a variant has runs."""
    return np.unique(results[across].values[results["variant"].values.astype(str) == label]).tolist()


def _best(results: Results, label: str, across: str, place: int | float) -> Float64[NDArray[np.float64], " seed"]:
    """Return the accuracies of all seeds in per cent, at the rates with the highest mean."""
    there = (results["variant"].values.astype(str) == label) & (results[across].values == place)
    rates, accuracy = results["rates"].values[there], 100 * results["best"].values[there]
    _, groups = np.unique(np.nan_to_num(rates, nan=-1.0), axis=0, return_inverse=True)
    found = [accuracy[groups.reshape(-1) == group] for group in range(int(groups.max()) + 1)]
    return max(found, key=lambda values: float(np.mean(values)))


def table(results: Results) -> list[dict[str, str]]:
    """Return best accuracies, mean ± standard deviation over seeds, a row a variant."""
    across, rows = _axis(results), list[dict[str, str]]()
    for label in _variants(results):
        row, known = {"run": label or "the run"}, _places(results, across, label)
        for place in np.unique(results[across].values).tolist():
            found = f"{mean_in_words(_best(results, label, across, place), '.2f', '.2f')} %" if place in known else "–"
            row[f"{AXES[across]}: {place:g}"] = found
        rows.append(row)
    return rows
