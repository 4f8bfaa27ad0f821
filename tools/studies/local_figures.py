"""Figures of the bench of local methods."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from pcsim.assemble import build_network
from tools.studies.local_methods import (
    BACKPROPAGATION,
    CHAINS,
    DATA,
    METHODS,
    NETWORKS,
    SEEDS,
    Cell,
    Method,
    Network,
    methods_of,
)
from tools.studies.local_table import Found, accuracies, results

REFERENCES = {"to_backprop": "to backpropagation", "to_equilibrium": "to the equilibrium"}
COLOURS = ScalarMappable(Normalize(-1, 1), colormaps["RdBu"].with_extremes(bad="0.6"))
"""Of cosines; grey is none."""


def draw(found: Found) -> Any:
    """Draw test errors of chains by depth, one panel a data set, and the cosines of the layers that are worst."""
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True)
    for column, data in enumerate(DATA):
        for number, method in enumerate(METHODS):
            points = [(layers, results(Cell(method, chain, data), found)[1]) for layers, chain in CHAINS.items()]
            points = [(layers, runs) for layers, runs in points if accuracies(runs)]
            if not points:
                continue
            # Beside each other in every depth, and no two of one colour and mark.
            colour, mark = "black" if method is BACKPROPAGATION else f"C{number - 1}", "os^D"[number // 10]
            right = [list(accuracies(runs).values()) for _, runs in points]
            spreads = [np.std(values, ddof=1) if len(values) > 1 else 0.0 for values in right]
            means = [100.0 - np.mean(values) for values in right]
            depths = [layers * 1.04 ** (number - len(METHODS) // 2) for layers, _ in points]
            panels[0][column].errorbar(depths, means, spreads, color=colour, marker=mark, capsize=3, label=method.name)
            lowest = [[run.lowest_to_backprop for run in runs.values()] for _, runs in points]
            drawn = [float(np.mean([value for value in each if value is not None] or [np.nan])) for each in lowest]
            panels[1][column].plot(depths, drawn, color=colour, marker=mark)
        panels[0][column].set_title(data, fontsize=10)
        panels[0][column].set_ylabel("test error (%)")
        panels[0][column].set_yscale("log")
        panels[0][column].yaxis.set_major_locator(LogLocator(10, (1, 2, 5)))
        panels[0][column].yaxis.set_major_formatter("{x:g}")
        panels[0][column].yaxis.set_minor_locator(NullLocator())
        panels[1][column].set_ylabel("lowest cosine to backpropagation")
        panels[1][column].set_xlabel("layers")
        panels[1][column].set_xscale("log")
        panels[1][column].set_xticks(list(CHAINS), [str(layers) for layers in CHAINS])
        panels[1][column].minorticks_off()
        for axes in (panels[0][column], panels[1][column]):
            axes.grid(alpha=0.2)
    handles, labels = panels[0][0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, fontsize=8, ncols=3, loc="outside lower center")
    return figure


def draw_by_layer(found: Found) -> Any:
    """Draw the cosines of every layer of the first seed on MNIST: a row a method, a column a layer, from the input.

    Networks whose runs did not keep them have no panel.
    """
    networks = [network for network in NETWORKS if _by_layer(BACKPROPAGATION, network, found, "to_backprop")]
    networks = networks or list(NETWORKS)
    figure = Figure(figsize=(13, 9), layout="constrained")
    widths = [max(layers_of(network), 10) for network in networks]
    panels = figure.subplots(len(REFERENCES), len(networks), sharey=True, squeeze=False, width_ratios=widths)
    for row, (field, words) in enumerate(REFERENCES.items()):
        for column, network in enumerate(networks):
            axes = panels[row][column]
            cells = [_by_layer(method, network, found, field) for method in METHODS]
            _heat(axes, cells, layers_of(network))
            if row == 0:
                axes.set_title(fill(network.name.partition(" (")[0], 16), fontsize=8)
            else:
                axes.set_xlabel("layer", fontsize=8)
        panels[row][0].set_yticks(range(len(METHODS)), [method.name for method in METHODS], fontsize=7)
        panels[row][0].set_ylabel(f"cosine {words}")
    figure.colorbar(COLOURS, ax=panels, shrink=0.5, label="cosine")
    return figure


def _by_layer(method: Method, network: Network, found: Found, field: str) -> Sequence[float | None] | None:
    """Return the cosines of the first seed, None where there is no such run or it has none."""
    if method not in methods_of(network):
        return None
    run = results(Cell(method, network, "MNIST"), found)[1].get(SEEDS[0])
    return None if run is None else getattr(run, field)


def _heat(axes: Axes, cells: Sequence[Sequence[float | None] | None], layers: int) -> None:
    """Draw rows of cosines; grey where a row has no number for a layer, nothing where there is no row."""
    image = np.ones((len(cells), layers, 4))
    for row, found in enumerate(cells):
        if found is not None:
            image[row] = COLOURS.to_rgba(np.array(found, dtype=np.float64))
    axes.imshow(image, aspect="auto", interpolation="none")
    axes.tick_params(labelsize=7)
    axes.set_xticks(sorted({0, layers // 2, layers - 1}))


def layers_of(network: Network) -> int:
    """Return the number of layers with weights of a network of the bench."""
    scenario = Cell(BACKPROPAGATION, network, "MNIST").runs(None)[0].scenario()
    return len(build_network(scenario).layers)
