"""Easy and hard samples of a trained network on their way to equilibrium, and there."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from pcsim.assemble import Inputs
from pcsim.figures.axes import as_text, log_clock, new_figure
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.parts import OKABE_ITO, require_recorded, settle, trained_inputs, without_learning
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results, padded
from pcsim.studies.rows import Measures
from pcsim.studies.work import Work
from pcsim.typing import NDArray

WORK = Work.ONCE
SHARE = 0.1
"""Share of the samples with the smallest, and of those with the largest, loss at the feedforward pass."""
GROUPS = ("easy", "hard")
_COLOURS = {"easy": OKABE_ITO[0], "hard": OKABE_ITO[1]}
_MARKS = {"easy": "o", "hard": "s"}


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless runs record the energies of samples."""
    require_recorded(scenario, runs, "energy_per_sample")


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Train once; in every run follow the energies of each sample, which the record needs (energy_per_sample)."""
    inputs = trained_inputs(Run(scenario.alone(), {}))
    for runs, found in attempts.of(partial(_followed, inputs)):
        yield _together(runs, [each["steps"] for each in found], [each["energy"] for each in found])


def _followed(inputs: Inputs, each: Run, place: Place) -> Measures:
    with settle(without_learning(each), inputs) as trace:
        steps, energy = np.asarray(trace.steps, dtype=np.float64), _grouped(trace.array("energy_per_sample"))
        return {"steps": steps, "energy": energy, "failure": trace.attributes.get("failure")}


def _grouped(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return medians over easy and hard samples: from (row, layer, sample) to (row, layer, group)."""
    order = np.argsort(energy[0, -1])
    size = max(1, round(SHARE * len(order)))
    return np.stack([np.median(energy[..., chosen], axis=-1) for chosen in (order[:size], order[-size:])], axis=-1)


def _together(runs: Sequence[Run], steps: list[NDArray[Any]], energies: list[NDArray[Any]]) -> Results:
    return {
        "run": Measured(np.array([each.label("steps") for each in runs]), ("run",), "values of the run's own"),
        "group": Measured(
            np.array(GROUPS), ("group",), f"the {SHARE:.0%} of smallest and of largest loss at the feedforward pass"
        ),
        "step": Measured(padded(steps), ("run", "row"), "recorded step, NaN beyond the last"),
        "energy": Measured(
            padded(energies),
            ("run", "row", "layer", "group"),
            "layerwise energy, median over the group",
        ),
    }


def draw(results: Results) -> Any:
    """Draw total energies over steps, a panel a run, and the layers' energies at the end of the last one."""
    labels, step, energy = (results[name].values for name in ("run", "step", "energy"))
    total = energy.sum(axis=2)
    figure, (*panels, last) = new_figure((3.9 * (len(labels) + 1), 4), 1, len(labels) + 1)
    for i, axes in enumerate(panels):
        rows = np.isfinite(step[i])
        for g, group in enumerate(GROUPS):
            axes.plot(step[i, rows], total[i, rows, g], color=_COLOURS[group], label=f"{group} images")
        axes.set_yscale("log")
        axes.set_ylim(0.5 * np.nanmin(total), 2 * np.nanmax(total))
        axes.set_title(as_text(labels[i]), fontsize=9)
        axes.set_ylabel("energy (median)")
        log_clock(axes, step[i, rows], "step")
        axes.legend(fontsize=8)
        axes.grid(alpha=0.2)
    rows = np.isfinite(step[-1])
    for g, group in enumerate(GROUPS):
        at_end = energy[-1, rows][-1, :, g]
        shown = np.where(at_end > 0, at_end, np.nan)
        last.plot(
            shown, color=_COLOURS[group], marker=_MARKS[group], markersize=4, linewidth=1, label=f"{group} images"
        )
    last.set_yscale("log")
    last.set_xlabel("layer (input to output)")
    last.set_ylabel("energy of the layer (median)")
    last.set_title(as_text(f"at the end: {labels[-1]}"), fontsize=9)
    last.legend(fontsize=8)
    last.grid(alpha=0.2)
    return figure


def table(results: Results) -> list[dict[str, str]]:
    """Return energies at start and end for every run and group, and the step from which 1 % of the way is left."""
    rows: list[dict[str, str]] = []
    for i, label in enumerate(results["run"].values):
        step = results["step"].values[i]
        step = step[np.isfinite(step)]
        total = results["energy"].values[i, : len(step)].sum(axis=1)
        for g, group in enumerate(GROUPS):
            line = total[:, g]
            falls = np.isfinite(line).all() and line[0] > line[-1]
            above = np.flatnonzero(line - line[-1] > 0.01 * (line[0] - line[-1])) if falls else np.zeros(0, np.int64)
            reached = f"{step[above[-1] + 1] if len(above) else 0:,.0f}"
            rows.append(
                {
                    "run": str(label),
                    "images": group,
                    "energy at start": f"{line[0]:.3g}",
                    "at the end": f"{line[-1]:.3g}",
                    "99 % of the way by step": reached if falls else "–",
                }
            )
    return rows
