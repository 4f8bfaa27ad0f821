"""Mean squared errors of every layer, step by step (Alonso et al. 2024, Fig. 3)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pcsim.figures.axes import as_text, new_figure
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.grid import sequential_colours
from pcsim.studies.parts import deviation, require_recorded
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results, padded
from pcsim.studies.rows import Measures
from pcsim.studies.work import Work
from pcsim.typing import NDArray

WORK = Work.RUNS


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless runs record errors."""
    require_recorded(scenario, runs, "errors")


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Infer in every run."""
    for runs, found in attempts.of(_squares):
        yield {
            "variant": Measured(np.array([each.label("seed") for each in runs]), ("run",), "values of the run's own"),
            "step": Measured(padded([each["step"] for each in found]), ("run", "row"), "inference step"),
            "error": Measured(
                padded([each["error"] for each in found]),
                ("run", "row", "layer"),
                "mean of squared errors over units and samples",
                source="Alonso et al. 2024, Fig. 3",
            ),
        }


def _squares(each: Run, place: Place) -> Measures:
    with place.run(each) as trace:
        layers = [trace.errors(i).astype(np.float64) for i in range(len(trace.layer_names))]
        squares = [np.mean(np.square(errors).reshape(len(errors), -1), axis=1) for errors in layers]
        return {"step": trace.steps.astype(np.float64), "error": np.stack(squares, axis=1)}


def draw(results: Results) -> Any:
    """Draw errors over steps, a line a layer and a panel a variant: means over seeds, with their spread."""
    groups = _by_variant(results)
    figure, panels = new_figure((4.4 * len(groups) + 0.8, 3.8), 1, len(groups), squeeze=False, sharey=True)
    for axes, (label, (step, errors)) in zip(panels[0], groups.items(), strict=True):
        names = [*(f"layer {i}" for i in range(errors.shape[2] - 1)), "output"]
        for i, colour in sequential_colours(np.arange(errors.shape[2])).items():
            mean, spread = errors[..., i].mean(axis=0), deviation(errors[..., i])
            axes.plot(step, mean, color=colour, marker="o", markersize=3, linewidth=1.2, label=names[i])
            axes.fill_between(step, np.maximum(mean - spread, 0), mean + spread, color=colour, alpha=0.15, linewidth=0)
        axes.set_yscale("log")
        axes.set_title(as_text(label), fontsize=9)
        axes.set_xlabel("inference step")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.2)
    panels[0][0].set_ylabel("mean squared error")
    panels[0][-1].legend(fontsize=8, frameon=False)
    return figure


def _by_variant(results: Results) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    labels, step, errors = (results[name].values for name in ("variant", "step", "error"))
    found: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    for label in dict.fromkeys(labels.astype(str)):
        own = labels.astype(str) == label
        found[str(label)] = step[own][0], errors[own]
    return found


def table(results: Results) -> list[dict[str, str]]:
    """Return every variant's errors after the first step and the last."""
    rows: list[dict[str, str]] = []
    for label, (step, errors) in _by_variant(results).items():
        mean = errors.mean(axis=0)
        for row in sorted({min(1, len(step) - 1), len(step) - 1}):
            layers = {f"layer {i}": f"{value:.2g}" for i, value in enumerate(mean[row])}
            rows.append({"run": label or "the run", "step": f"{step[row]:g}", **layers})
    return rows
