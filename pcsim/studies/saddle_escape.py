"""The loss by update of runs that learn from near the saddle at the origin, by predictive coding or backpropagation."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pcsim.assemble import hidden_units, method_of
from pcsim.errors import UsageError
from pcsim.figures.axes import new_figure
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.one_unit import BACKPROP, PREDICTIVE
from pcsim.studies.outcome import outcome_of
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results, padded
from pcsim.studies.rows import Measures
from pcsim.studies.work import Work
from pcsim.typing import NDArray

WORK = Work.RUNS
HALF = 0.5
LOWEST = 1e-8
"""Loss below which nothing is drawn."""
METHODS = {"backprop": ("backpropagation", BACKPROP), "pc": ("predictive coding", PREDICTIVE)}


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless runs train."""
    if any(each.scenario.learning is None for each in runs):
        raise UsageError("the study is of runs that learn; add [learning]")


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Train every run and return its losses; one that diverges counts as far as it went."""
    for runs, found in attempts.of(_losses):
        words = ["backprop" if method_of(each.scenario).traits.backpropagates else "pc" for each in runs]
        depths = [len(hidden_units(each.scenario)) for each in runs]
        values = padded([each["loss"] for each in found])
        yield {
            "method": Measured(np.array(words), ("run",), "backprop, or pc for predictive coding"),
            "hidden": Measured(np.array(depths), ("run",), "hidden layers"),
            "activation": Measured(
                np.array([str(each.scenario.network.activation) for each in runs]), ("run",), "activation of the units"
            ),
            "loss": Measured(values, ("run", "update"), "loss of the forward pass before each update"),
            "escape": Measured(_escapes(values), ("run",), "updates until half the first loss is left, -1 if never"),
        }


def _losses(each: Run, place: Place) -> Measures:
    with place.run_as_far_as_it_goes(each) as trace:
        failure = trace.attributes.get("failure")
        return {"loss": trace.training["loss"], "failure": failure, "outcome": outcome_of(trace)}


def _escapes(losses: Any) -> Any:
    below = losses < HALF * losses[:, :1]
    return np.where(below.any(axis=1), below.argmax(axis=1), -1)


def draw(results: Results) -> Any:
    """Draw the loss of every run over the updates, a panel a depth and activation."""
    networks, losses = _networks(results), results["loss"].values
    known = losses[np.isfinite(losses) & (losses > 0)]
    ends = (max(LOWEST, 0.7 * float(known.min())), 1.4 * float(known.max())) if len(known) else (LOWEST, 1.0)
    figure, panels = new_figure((3.9 * len(networks) + 2.4, 3.8), 1, len(networks), squeeze=False, sharey=True)
    for axes, (title, there) in zip(panels[0], networks, strict=True):
        for word, (name, colour) in METHODS.items():
            own = there & (results["method"].values.astype(str) == word)
            lines = axes.plot(results["loss"].values[own].T, color=colour, linewidth=1, alpha=0.8)
            if lines:
                lines[0].set_label(name)
        axes.set_title(title, fontsize=9)
        axes.set_yscale("log")
        axes.set_ylim(*ends)
        axes.set_xlabel("updates")
        axes.grid(alpha=0.2)
    panels[0][0].set_ylabel("loss")
    panels[0][-1].legend(fontsize=8, frameon=False)
    return figure


def _networks(results: Results) -> list[tuple[str, NDArray[np.bool_]]]:
    """Return the networks in words, and which runs are of each; traces from before know no activation."""
    hidden = results["hidden"].values
    words = results["activation"].values.astype(str) if "activation" in results else np.full(len(hidden), "")
    found: list[tuple[str, NDArray[np.bool_]]] = []
    for word in dict.fromkeys(words.tolist()):
        for depth in np.unique(hidden[words == word]):
            several = f", {word}" if len(np.unique(words)) > 1 else ""
            title = f"{depth} hidden layer{'s' if depth > 1 else ''}{several}"
            found.append((title, (hidden == depth) & (words == word)))
    return found


def table(results: Results) -> list[dict[str, str]]:
    """Return when the runs of every network and method had left the saddle, and their losses in the end."""
    rows: list[dict[str, str]] = []
    for title, there in _networks(results):
        for word, (name, _) in METHODS.items():
            own = there & (results["method"].values.astype(str) == word)
            if not own.any():
                continue
            escape, loss = results["escape"].values[own], results["loss"].values[own]
            left = escape >= 0
            rows.append(
                {
                    "network": title,
                    "method": name,
                    "runs at half the loss": f"{left.sum()} of {len(left)}",
                    "median update": f"{np.median(escape[left]):.0f}" if left.any() else "–",
                    "median last loss": f"{np.median(loss[:, -1]):.3g}",
                }
            )
    return rows
