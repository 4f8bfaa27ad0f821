"""Size of the activities by layer at the feedforward pass, over depth (thesis, Fig. C.30)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pcsim.figures.axes import as_text, new_figure
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.grid import AXES, grid_of
from pcsim.studies.parts import OKABE_ITO, settle, trained_inputs, without_learning
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results
from pcsim.studies.rows import Measures
from pcsim.typing import NDArray

DEPTHS = {"first": 0.0, "quarter": 0.25, "middle": 0.5, "three quarters": 0.75, "last": 1.0}
"""Hidden layers that are measured, by how far down the network they are."""
_SHOWN = ("middle", "last")
_MARKS = "osD^vP"


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Pass the batch forward in every run and take root mean squares of some layers' states."""
    for runs, found in attempts.of(_sizes):
        yield _together(runs, np.stack([each["sizes"] for each in found]))


def _sizes(each: Run, place: Place) -> Measures:
    inputs, alone = trained_inputs(each, place), without_learning(each)
    still = alone.model_copy(update={"inference": alone.inference.model_copy(update={"steps": 0})})
    with settle(still, inputs) as trace:
        sizes = np.array([np.sqrt(np.mean(np.square(s.astype(np.float64)))) for s in trace.final_states[:-1]])
    return {"sizes": sizes[[round(share * (len(sizes) - 1)) for share in DEPTHS.values()]]}


def _together(runs: Sequence[Run], sizes: NDArray[np.float64]) -> Results:
    names = {name: name.replace(" ", "_") for name in DEPTHS}
    return grid_of(runs) | {
        names[name]: Measured(
            sizes[:, i],
            ("run",),
            f"root mean square of the states of the {name} hidden layer",
            source="thesis, Fig. C.30",
        )
        for i, name in enumerate(DEPTHS)
    }


def draw(results: Results) -> Any:
    """Draw the sizes in the middle and in the last hidden layer over depth, a line a variant."""
    figure, panels = new_figure((10.5, 4.4), 1, len(_SHOWN), sharey=True)
    variant, depth = results["variant"].values.astype(str), results["depth"].values
    for axes, name in zip(panels, _SHOWN, strict=True):
        for i, label in enumerate(dict.fromkeys(variant)):
            own = np.flatnonzero(variant == label)
            own = own[np.argsort(depth[own])]
            style = {"color": OKABE_ITO[i % len(OKABE_ITO)], "marker": _MARKS[i % len(_MARKS)], "markersize": 4}
            axes.plot(depth[own], results[name].values[own], linewidth=1.3, label=as_text(label), **style)
        axes.set_xscale("log", base=2)
        axes.set_xticks(np.unique(depth), [str(layers) for layers in np.unique(depth)])
        axes.minorticks_off()
        axes.set_yscale("log")
        axes.set_xlabel(AXES["depth"])
        axes.set_title(f"{name} hidden layer", fontsize=9)
        axes.grid(alpha=0.2)
    panels[0].set_ylabel("root mean square of the states")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def table(results: Results) -> list[dict[str, str]]:
    """Return the sizes in the deepest network of every variant."""
    depth, variant = results["depth"].values, results["variant"].values
    rows: list[dict[str, str]] = []
    for name in dict.fromkeys(variant):
        deepest = np.flatnonzero((variant == name) & (depth == depth[variant == name].max()))[-1]
        sizes = {word: f"{results[word.replace(' ', '_')].values[deepest]:.3g}" for word in DEPTHS}
        rows.append({"variant": str(name), "hidden layers": str(depth[deepest]), **sizes})
    return rows
