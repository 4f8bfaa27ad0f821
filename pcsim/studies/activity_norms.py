"""Sizes of the activities over inference beside those of the exact equilibrium (thesis, Fig. C.11)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pcsim.figures.axes import as_text, new_figure
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.exact import equilibrium
from pcsim.studies.grid import sequential_colours, unknowns_of
from pcsim.studies.parts import inputs_of, require_recorded
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results, padded
from pcsim.studies.rows import Measures

COLUMNS = 3


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless runs record states."""
    require_recorded(scenario, runs, "states")


def require_of_each(each: Run) -> None:
    """Raise `UsageError` for a network that is not linear, or too large to solve for."""
    unknowns_of(each.scenario)
    equilibrium(each.scenario, inputs_of(each.scenario))


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Infer in every run, and solve for its equilibrium; one that diverges is there as far as it went."""
    for runs, found in attempts.of(_norms):
        yield {
            "run": Measured(np.array([each.label() or "the run" for each in runs]), ("run",), "the run's own values"),
            "step": Measured(padded([each["step"] for each in found]), ("run", "row"), "inference step", "step"),
            "norm": Measured(
                padded([each["norm"] for each in found]),
                ("run", "row", "layer"),
                "mean over the samples of the Euclidean norm of a layer's states",
                source="thesis, Fig. C.11",
            ),
            "rest": Measured(
                padded([each["rest"] for each in found]), ("run", "layer"), "the same at the exact equilibrium"
            ),
            "distance": Measured(
                padded([each["distance"] for each in found]),
                ("run", "row"),
                "distance of all states from the equilibrium over its norm, mean over the samples",
            ),
        }


def _norms(each: Run, place: Place) -> Measures:
    unknowns_of(each.scenario)
    end = equilibrium(each.scenario, inputs_of(each.scenario))
    with place.run_as_far_as_it_goes(each) as trace:
        states = [trace.states(i).astype(np.float64) for i in range(len(end))]
        step, failure = trace.steps.astype(np.float64), trace.attributes.get("failure")
    # A run that diverges may be beyond float64 before it is stopped.
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.stack([np.linalg.norm(state, axis=-1).mean(axis=1) for state in states], axis=1)
        off = sum(np.sum((state - rest) ** 2, axis=-1) for state, rest in zip(states, end, strict=True))
    whole = np.sqrt(sum(np.sum(rest**2, axis=-1) for rest in end))
    rests = np.array([np.linalg.norm(rest, axis=-1).mean() for rest in end])
    distance = np.mean(np.sqrt(off) / whole, axis=1)
    return {"step": step, "norm": norms, "rest": rests, "distance": distance, "failure": failure}


def draw(results: Results) -> Any:
    """Draw norms over steps, a line a layer and a panel a run; dashed at the end where the equilibrium is."""
    labels, step, norm, rest = (results[name].values for name in ("run", "step", "norm", "rest"))
    across = min(COLUMNS, len(labels))
    down = -(-len(labels) // across)
    figure, panels = new_figure((3.5 * across + 0.6, 3.2 * down), down, across, squeeze=False)
    for axes, label, clock, sizes, end in zip(panels.flat, labels, step, norm, rest, strict=False):
        rows, layers = np.isfinite(clock), np.flatnonzero(np.isfinite(end))
        for i, colour in sequential_colours(layers).items():
            axes.plot(clock[rows], sizes[rows, i], color=colour, linewidth=1.1)
            axes.axhline(end[i], color=colour, linewidth=0.8, linestyle=(0, (3, 3)))
        axes.set_yscale("log")
        axes.set_title(as_text(label, 40), fontsize=8)
        axes.set_xlabel("inference step")
        axes.grid(alpha=0.2)
    for axes in panels.flat[len(labels) :]:
        axes.set_axis_off()
    figure.supylabel("norm of a layer's states, dashed: at equilibrium", fontsize="medium")
    return figure


def table(results: Results) -> list[dict[str, str]]:
    """Return how far a run is from its equilibrium at the start and the end, relative to the norm of that."""
    rows: list[dict[str, str]] = []
    for i, label in enumerate(results["run"].values):
        known = results["distance"].values[i][np.isfinite(results["step"].values[i])]
        rows.append(
            {
                "run": str(label),
                "distance at the start": f"{known[0]:.3g}",
                "at the end": f"{known[-1]:.3g}",
                "norms at equilibrium": f"{np.nanmin(results['rest'].values[i]):.3g} to "
                f"{np.nanmax(results['rest'].values[i]):.3g}",
            }
        )
    return rows
