"""Studies over width, depth and epochs: where every run stands, and figures of lines over one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pcsim.assemble import hidden_units
from pcsim.errors import UsageError
from pcsim.figures.axes import as_text, new_figure
from pcsim.scenario import Run, Scenario
from pcsim.studies.results import Measured, Results
from pcsim.typing import NDArray

AXES = {"width": "width of the hidden layers", "depth": "hidden layers", "epochs": "epochs of training"}
MOST_UNKNOWNS = 2500
"""Largest dense system of a run in a study: a second or two for its eigenvalues."""


@dataclass(frozen=True)
class Lines:
    """What is drawn: the array, the words on its axis, and whether that is logarithmic."""

    name: str
    words: str
    log: bool = False


def grid_of(runs: Sequence[Run]) -> dict[str, Measured]:
    """Return width, depth and epochs of every run, and in words what else is its own; seeds are averaged over."""
    units = [hidden_units(each.scenario) for each in runs]
    epochs = [0 if each.scenario.learning is None else each.scenario.learning.epochs for each in runs]
    variants = [each.label("width", "layers", "epochs", "seed", "steps") for each in runs]
    found: dict[str, Any] = {
        "variant": np.array(variants),
        "width": np.array([max(each, default=0) for each in units]),
        "depth": np.array([len(each) for each in units]),
        "epochs": np.array(epochs),
    }
    words = AXES | {"variant": "what else is a run's own"}
    return {name: Measured(values, ("run",), words[name]) for name, values in found.items()}


def with_untrained(runs: Sequence[Run]) -> list[Run]:
    """Return the runs, and before the first that trains a network that network without training."""
    found: list[Run] = []
    seen: set[str] = set()
    for each in runs:
        alone = Run(each.scenario.model_copy(update={"learning": None}), each.values)
        if each.scenario.learning is not None and (name := each.label("epochs")) not in seen:
            seen.add(name)
            found.append(alone)
        found.append(each)
    return found


def unknowns_of(scenario: Scenario) -> int:
    """Return how many hidden units a network has; `UsageError` beyond what a study solves for."""
    unknowns = sum(hidden_units(scenario))
    if unknowns > MOST_UNKNOWNS:
        raise UsageError(
            f"{unknowns} hidden units are beyond the {MOST_UNKNOWNS} that a study solves dense systems for; sweep over "
            "fewer or narrower layers"
        )
    return unknowns


def draw_grid(results: Results, quantity: Lines) -> Any:
    """Draw a panel a variant: lines over depth by width, or over what else is swept."""
    variants = list(dict.fromkeys(str(name) for name in results["variant"].values))
    columns = 2 if len(variants) == 4 else min(3, len(variants))
    rows = -(-len(variants) // columns)
    across, by = _axes(results)
    figure, panels = new_figure(
        (4.2 * columns + 1.2, 3.4 * rows + 0.4), rows, columns, squeeze=False, sharex=True, sharey=True
    )
    for axes, variant in zip(panels.flat, variants, strict=False):
        chosen = results["variant"].values.astype(str) == variant
        _draw_lines(axes, results, chosen, quantity, across, by)
        axes.set_title(as_text(variant), fontsize=9)
    for axes in panels[-1]:
        axes.set_xlabel(AXES[across])
    figure.supylabel(quantity.words, fontsize="medium")
    handles, labels = panels[0][0].get_legend_handles_labels()
    if by is not None:
        figure.legend(handles, labels, loc="outside right center", fontsize=8, title=by)
    return figure


def _axes(results: Results) -> tuple[str, str | None]:
    """Return what lines go over and what tells them apart: the first two of epochs, depth and width that vary."""
    varied = [name for name in ("epochs", "depth", "width") if len(set(results[name].values)) > 1]
    return (varied or ["depth"])[0], varied[1] if len(varied) > 1 else None


def _draw_lines(
    axes: Any, results: Results, chosen: NDArray[np.bool_], quantity: Lines, across: str, by: str | None
) -> None:
    values = results[quantity.name].values
    groups = np.unique(results[by].values) if by is not None else np.array([0])
    for group, colour in sequential_colours(groups).items():
        own = chosen if by is None else chosen & (results[by].values == group)
        x, y = _medians(results[across].values[own], values[own])
        axes.plot(x, y, color=colour, marker="o", markersize=3, linewidth=1.2, label=str(group))
    if quantity.log:
        axes.set_yscale("log")
    _scale(axes, np.unique(results[across].values))
    axes.grid(alpha=0.2)


def sequential_colours(values: NDArray[Any]) -> dict[int, Any]:
    """Return a colour for each of ascending whole numbers, from dark to light."""
    import matplotlib

    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, len(values)))
    return {int(value): colour for value, colour in zip(values, colours, strict=True)}


def _medians(x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the median of the values at every place: what differs in the seed alone."""
    places = np.unique(x)
    return places, np.array([np.median(y[x == place]) for place in places])


def _scale(axes: Any, places: NDArray[Any]) -> None:
    """Mark the places on the axis, which is logarithmic where they are far apart."""
    if places[0] > 0 and places[-1] > 4 * places[0]:
        axes.set_xscale("log", base=2)
        axes.minorticks_off()
    axes.set_xticks(places, [f"{place:g}" for place in places])
