"""Layerwise energies of every run, and what training came to where there is some."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pcsim.figures.axes import as_text, log_clock, new_figure
from pcsim.figures.layer_lines import draw_lines
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.outcome import outcome_of
from pcsim.studies.parts import require_recorded
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results, at_the_end, padded
from pcsim.studies.rows import Measures
from pcsim.studies.work import Work

WORK = Work.RUNS
COLUMNS = 3
_OF_TRAINING = {"train_loss": "loss", "test_loss": "loss", "train_accuracy": "", "test_accuracy": ""}


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless runs record energies."""
    require_recorded(scenario, runs, "energy")


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Run every run in memory; one that diverges counts as far as it went."""
    for runs, found in attempts.of(_measured):
        yield _together(runs, found)


def _measured(each: Run, place: Place) -> Measures:
    with place.run_as_far_as_it_goes(each) as trace:
        found = {"step": trace.steps, "energy": trace.energy, "arrival_step": np.full(len(trace.layer_names), np.nan)}
        if "arrival_step" in trace:
            found["arrival_step"] = trace.arrival_steps
        own = {"clock": trace.clock, "failure": trace.attributes.get("failure"), "outcome": outcome_of(trace)}
        return found | own | {name: trace.training[name] for name in _OF_TRAINING if name in trace.training}


def _together(runs: Sequence[Run], found: list[dict[str, Any]]) -> Results:
    clock = str(found[-1]["clock"])
    results = {
        "run": Measured(np.array([each.label() or "the run" for each in runs]), ("run",), "values of the run's own"),
        "step": _stacked(found, "step", ("run", "row"), "recorded step or time, NaN beyond the last", clock),
        "energy": _stacked(found, "energy", ("run", "row", "layer"), "layerwise energy, mean over the batch"),
        "arrival_step": _stacked(found, "arrival_step", ("run", "layer"), "first step with an error, -1 if never"),
    }
    for name, unit in _OF_TRAINING.items():
        if all(name in each for each in found):
            results[name] = _stacked(found, name, ("run", "epoch"), name.replace("_", " "), unit)
    return results


def _stacked(found: list[dict[str, Any]], name: str, dims: tuple[str, ...], meaning: str, unit: str = "") -> Measured:
    return Measured(padded([np.asarray(each[name], dtype=np.float64) for each in found]), dims, meaning, unit)


def draw(results: Results) -> Any:
    """Draw a panel a run, all with the same energies on their axes."""
    labels, energy, step = (results[name].values for name in ("run", "energy", "step"))
    across = 2 if len(labels) == 4 else min(COLUMNS, len(labels))
    down = -(-len(labels) // across)
    figure, panels = new_figure((4.6 * across + 0.6, 3.6 * down + 0.4), down, across, squeeze=False, sharey=True)
    for axes, label, clock, lines in zip(panels.flat, labels, step, energy, strict=False):
        rows, layers = np.isfinite(clock), np.isfinite(lines).any(axis=0)
        names = [f"layer {i}" for i in range(int(layers.sum()) - 1)] + ["output"]
        if rows.any():  # a run that diverges in training has none
            draw_lines(axes, clock[rows], lines[rows][:, layers], names)
            log_clock(axes, clock[rows], results["step"].unit)
        axes.set_title(as_text(label), fontsize=9, loc="left")
    for axes in panels.flat[len(labels) :]:
        axes.set_axis_off()
    return figure


def table(results: Results) -> list[dict[str, str]]:
    """Return energy and layers reached for every run, and accuracies or losses after training."""
    energy, arrival, step = (results[name].values for name in ("energy", "arrival_step", "step"))
    rows: list[dict[str, str]] = []
    for i, label in enumerate(results["run"].values):
        layers = np.isfinite(arrival[i])
        kept = energy[i][np.isfinite(step[i])][:, layers]
        row = {
            "run": str(label),
            "final energy": f"{kept[-1].sum():.4g}" if kept.size else "–",
            "layers reached": f"{int((arrival[i][layers] >= 0).sum())} of {int(layers.sum())}",
            "lowest layer": f"at step {arrival[i][0]:,.0f}" if arrival[i][0] >= 0 else "never",
        }
        for name in _OF_TRAINING:
            if name in results:
                row[name.replace("_", " ")] = f"{at_the_end(results, name)[i]:.4g}"
        rows.append(row)
    return rows
