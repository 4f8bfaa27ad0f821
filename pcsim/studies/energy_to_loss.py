"""The loss over the energy at equilibrium of deep linear networks, untrained and in training (thesis, Fig. 5.6)."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from pcsim.figures.axes import new_figure
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.exact import loss_and_energy, system_of
from pcsim.studies.grid import AXES, grid_of, sequential_colours
from pcsim.studies.parts import inputs_of, without_learning
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results, padded
from pcsim.studies.rows import Measures
from pcsim.studies.work import Work
from pcsim.typing import NDArray

WORK = Work.RUNS
SOURCE = "thesis 4.5, C.25 and Fig. 5.6"


def require_of_each(each: Run) -> None:
    """Raise `UsageError` unless the network is linear."""
    system_of(without_learning(each), inputs_of(each.scenario))


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Solve for the equilibrium of every untrained network; where runs train, follow the ratio over their updates."""
    for runs, found in attempts.of(_measured):
        losses, energies = (np.array([each[name] for each in found]) for name in ("loss", "energy"))
        yield grid_of(runs) | {
            "loss": Measured(losses, ("run",), "loss at the feedforward pass, mean over the batch"),
            "energy": Measured(energies, ("run",), "energy at equilibrium, mean over the batch", source=SOURCE),
            "ratio": Measured(losses / energies, ("run",), "the loss over that energy", source=SOURCE),
            "training_ratio": Measured(
                padded([each["curve"] for each in found]),
                ("run", "update"),
                "loss over energy at the end of the inference of each update of training, NaN without training",
                source=SOURCE,
            ),
        }


def _measured(each: Run, place: Place) -> Measures:
    loss, energy = loss_and_energy(without_learning(each), inputs_of(each.scenario))
    return {"loss": loss, "energy": energy, "curve": _training(each, place)}


def _training(each: Run, place: Place) -> NDArray[np.float64]:
    if each.scenario.learning is None:
        return np.empty(0)
    with place.run(each) as trace:
        return trace.training["loss"] / trace.training["energy"].sum(axis=1)


def draw(results: Results) -> Any:
    """Draw the ratio over depth by width, and where runs train over the updates, of the deepest networks."""
    width, depth, ratio = (results[name].values for name in ("width", "depth", "ratio"))
    curves = results["training_ratio"].values
    trains = curves.size > 0
    figure, (panels,) = new_figure((10.5 if trains else 6.4, 4.2), 1, 2 if trains else 1, squeeze=False)
    colours = sequential_colours(np.unique(width))
    for size, colour in colours.items():
        depths = np.unique(depth[width == size])
        medians = [np.median(ratio[(width == size) & (depth == layers)]) for layers in depths]
        panels[0].plot(depths, medians, color=colour, marker="o", markersize=3.5, label=str(size))
        if trains:
            deepest = curves[(width == size) & (depth == depth.max())]
            panels[1].plot(np.arange(1, curves.shape[1] + 1), np.median(deepest, axis=0), color=colour)
    panels[0].set_xscale("log", base=2)
    panels[0].set_xticks(np.unique(depth), [str(layers) for layers in np.unique(depth)])
    panels[0].minorticks_off()
    panels[0].set_xlabel(AXES["depth"])
    panels[0].set_title("untrained, exact", fontsize=9)
    panels[0].set_ylabel("loss / energy at equilibrium")
    if trains:
        panels[1].set_xlabel("update of training")
        panels[1].set_title(f"in training, {depth.max()} hidden layers", fontsize=9)
    for axes in panels:
        axes.axhline(1, color="black", linewidth=0.8)
        axes.grid(alpha=0.2)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center", fontsize=8, title="width")
    return figure


def table(results: Results) -> list[dict[str, str]]:
    """Return the ratio of the narrowest and the widest networks at every depth, untrained and trained."""
    width, depth, ratio = (results[name].values for name in ("width", "depth", "ratio"))
    curves = results["training_ratio"].values
    rows: list[dict[str, str]] = []
    for layers in np.unique(depth):
        row = {"hidden layers": str(layers)}
        for size in sorted({int(width.min()), int(width.max())}):
            own = (depth == layers) & (width == size)
            row[f"width {size}"] = f"{np.median(ratio[own]):.4g}" if own.any() else "–"
            if curves.size and own.any():
                row[f"width {size}, last update"] = f"{np.median(curves[own, -1]):.4g}"
        rows.append(row)
    return rows
