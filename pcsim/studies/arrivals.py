"""Which samples reach which layers, by their loss (the claim of the EO paper's section 3.3)."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from pcsim.assemble import Inputs
from pcsim.figures.axes import as_text, new_figure
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.parts import OKABE_ITO, require_recorded, settle, trained_inputs, without_learning
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results, padded
from pcsim.studies.rows import Measures
from pcsim.studies.work import Work

WORK = Work.ONCE
QUARTERS = 4


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless runs record arrivals and energies by sample."""
    require_recorded(scenario, runs, "arrival_per_sample")
    require_recorded(scenario, runs, "energy_per_sample")


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Train once, if there is [learning]; in every run note when a signal of each sample reaches each layer."""
    inputs = trained_inputs(Run(scenario.alone(), {}))
    for runs, found in attempts.of(partial(_followed, inputs)):
        yield _together(runs, found)


def _followed(inputs: Inputs, each: Run, place: Place) -> Measures:
    with settle(without_learning(each), inputs) as trace:
        arrival = trace.array("arrival_per_sample").astype(np.float64)[:-1]
        loss = trace.array("energy_per_sample", slice(0, 1))[0, -1]
        return {"arrival": arrival, "loss": loss, "failure": trace.attributes.get("failure")}


def _together(runs: Sequence[Run], found: Sequence[dict[str, Any]]) -> Results:
    return {
        "run": Measured(np.array([each.label() or "the run" for each in runs]), ("run",), "values of the run's own"),
        "loss": Measured(
            padded([each["loss"] for each in found]), ("run", "sample"), "loss at the feedforward pass, by sample"
        ),
        "arrival": Measured(
            padded([each["arrival"] for each in found]),
            ("run", "layer", "sample"),
            "first recorded step with a non-zero energy of a hidden layer, -1 if never",
        ),
    }


def _lowest(arrival: Any) -> Any:
    """Return the lowest hidden layer that a signal of each sample reached; one too high where it reached none."""
    reached = arrival >= 0
    return np.where(reached.any(axis=0), reached.argmax(axis=0), len(reached))


def draw(results: Results) -> Any:
    """Draw the lowest layer reached over the loss, a point a sample and a panel a run."""
    labels, loss, arrival = (results[name].values for name in ("run", "loss", "arrival"))
    figure, (panels,) = new_figure((4.4 * len(labels), 4.0), 1, len(labels), squeeze=False, sharey=True)
    for axes, label, x, steps in zip(panels, labels, loss, arrival, strict=True):
        axes.scatter(x, _lowest(steps), s=9, alpha=0.5, color=OKABE_ITO[0], linewidths=0)
        axes.set_xscale("log")
        axes.set_xlabel("loss of the sample at the feedforward pass")
        axes.set_title(as_text(label), fontsize=9, loc="left")
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.2)
    panels[0].set_ylabel("lowest layer that a signal reached")
    return figure


def table(results: Results) -> list[dict[str, str]]:
    """Return for every run the quarters of the samples by loss: how far down their signals came."""
    rows: list[dict[str, str]] = []
    for i, label in enumerate(results["run"].values):
        loss, arrival = results["loss"].values[i], results["arrival"].values[i]
        lowest = _lowest(arrival)
        for quarter, chosen in enumerate(np.array_split(np.argsort(loss), QUARTERS), start=1):
            rows.append(
                {
                    "run": str(label),
                    "quarter by loss": str(quarter),
                    "median loss": f"{np.median(loss[chosen]):.2g}",
                    "lowest layer, median": f"{np.median(lowest[chosen]):g}",
                    "from": f"{lowest[chosen].min():.0f}",
                    "to": f"{lowest[chosen].max():.0f}",
                }
            )
    return rows
