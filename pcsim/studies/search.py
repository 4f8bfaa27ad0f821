"""Trials drawn from ranges and lists until a number is best, each by what came of those before ([search])."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pcsim.errors import UsageError
from pcsim.figures.axes import new_figure
from pcsim.runs.hooks import Hooks
from pcsim.scenario import Run, Scenario, SearchTable
from pcsim.studies.attempts import Attempts
from pcsim.studies.outcome import outcome_of
from pcsim.studies.parts import OKABE_ITO
from pcsim.studies.place import Place
from pcsim.studies.ranking import in_words, is_accuracy
from pcsim.studies.results import Measured, Results, padded
from pcsim.studies.rows import Measures
from pcsim.studies.trials import PRUNED, Follower, Trial, Trials, epochs_of, journal_of, load_optuna

SHOWN = 10
"""Trials in the table, the best."""


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` where Optuna is not installed."""
    load_optuna()


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Draw a run, see what comes of it, and draw the next; as many at a time as there are places for."""
    search, study = scenario.search, attempts.ledger.study
    if search is None:
        raise UsageError("the scenario has no [search]")
    with TemporaryDirectory() as folder:
        journal = journal_of(study or Path(folder) / "study")
        trials = Trials(scenario, search, journal)
        attempts.require_only(trials.known())
        measure = partial(_measured, search, journal)
        for runs, found in attempts.of_drawn(measure, trials.runs(), search.trials, trials.heard):
            yield _together(runs, found, search)


def _measured(search: SearchTable, journal: Path, each: Run, place: Place) -> Measures:
    follower = None
    if search.pruner != "none" and isinstance(each, Trial):
        follower = Follower(search, epochs_of(each.scenario), journal, each.number)
    hooks = Hooks() if follower is None else Hooks((follower,))
    with place.run_as_far_as_it_goes(each, hooks) as trace:
        outcome, learns = outcome_of(trace), bool(trace.training) and search.metric in trace.training
        return {
            "curve": np.asarray(trace.training[search.metric], dtype=np.float64) if learns else np.empty(0),
            "value": outcome.get(search.metric, np.nan),
            PRUNED: int(follower is not None and follower.pruned),
            "failure": trace.attributes.get("failure"),
            "outcome": outcome,
        }


def _together(runs: Sequence[Run], found: Sequence[Measures], search: SearchTable) -> Results:
    words = search.metric.replace("_", " ")
    numbers = [each.number if isinstance(each, Trial) else i for i, each in enumerate(runs)]
    return {
        "trial": Measured(np.array(numbers), ("run",), "number of the trial"),
        "label": Measured(np.array([each.label() for each in runs]), ("run",), "what was drawn"),
        search.metric: Measured(np.array([float(each["value"]) for each in found]), ("run",), f"{words} in the end"),
        PRUNED: Measured(np.array([int(each[PRUNED]) for each in found]), ("run",), "1 where it was stopped early"),
        "curve": Measured(padded([each["curve"] for each in found]), ("run", "epoch"), f"{words} by epoch"),
    }


def _metric(results: Results) -> str:
    return next(name for name in results if name.endswith(("accuracy", "loss", "energy")))


def draw(results: Results) -> Any:
    """Draw what every trial came to, the best so far, and where trials train their numbers by epoch."""
    name = _metric(results)
    trial, value, pruned = results["trial"].values, results[name].values, results[PRUNED].values.astype(bool)
    curves, factor = results["curve"].values, 100 if is_accuracy(name) else 1
    words = name.replace("_", " ") + (" (%)" if is_accuracy(name) else "")
    figure, panels = new_figure((10.5 if curves.size else 6.4, 4.2), 1, 2 if curves.size else 1, squeeze=False)
    axes = panels[0][0]
    order = np.argsort(trial)
    whole = np.where(pruned, np.nan, value)[order]
    best = np.fmax.accumulate(whole) if is_accuracy(name) else np.fmin.accumulate(whole)
    axes.plot(trial[~pruned], factor * value[~pruned], "o", color=OKABE_ITO[0], markersize=4, label="to the end")
    axes.plot(trial[pruned], factor * value[pruned], "x", color=OKABE_ITO[4], markersize=5, label="stopped early")
    axes.step(trial[order], factor * best, where="post", color="black", linewidth=1, label="best so far")
    axes.set_xlabel("trial")
    axes.set_ylabel(words)
    axes.grid(alpha=0.2)
    axes.legend(fontsize=8)
    for curve, early in zip(curves, pruned, strict=True):
        epochs, colour = np.arange(1, len(curve) + 1), OKABE_ITO[4 if early else 0]
        panels[0][1].plot(epochs, factor * curve, ".-", color=colour, linewidth=0.8, markersize=3, alpha=0.7)
    if curves.size:
        panels[0][1].set_xlabel("epoch")
        panels[0][1].xaxis.get_major_locator().set_params(integer=True)
        panels[0][1].grid(alpha=0.2)
    return figure


def table(results: Results) -> list[dict[str, str]]:
    """Return the best trials, those stopped early left out, and how many there are."""
    name = _metric(results)
    value, whole = results[name].values, ~results[PRUNED].values.astype(bool)
    order = np.argsort(-value if is_accuracy(name) else value)
    shown = [i for i in order if whole[i] and np.isfinite(value[i])][:SHOWN]
    return [
        {
            "run": str(results["label"].values[i]),
            "trial": str(results["trial"].values[i]),
            name.replace("_", " "): in_words(name, float(value[i])),
        }
        for i in shown
    ]
