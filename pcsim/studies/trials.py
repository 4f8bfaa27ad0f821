"""Trials of a search: drawn, followed and judged by Optuna, which keeps them in a journal beside the study."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pcsim.errors import UsageError
from pcsim.runs.hooks import STOP, Rows
from pcsim.scenario import Range, Run, Scenario, SearchTable, run_with
from pcsim.studies.ranking import is_accuracy
from pcsim.studies.rows import Row

NAME = "pcsim"
"""Of the study in its journal."""
DIGITS = 4
"""Of numbers that are drawn: nobody types more."""
PRUNED = "pruned"
"""Name among what is measured of a trial: 1 where it was stopped early."""


@dataclass(frozen=True)
class Trial(Run):
    """A run that was drawn."""

    number: int = -1


def journal_of(study: Path) -> Path:
    """Return where the trials of a study are kept: beside it, `STUDY.optuna`."""
    return study.with_name(f"{study.name}.optuna")


def load_optuna() -> Any:
    """Return Optuna, which says no more than what is wrong; UsageError where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise UsageError("[search] needs Optuna: pip install 'pcsim[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _settings(optuna: Any, search: SearchTable, epochs: int, journal: Path) -> dict[str, Any]:
    pruners = {
        "none": optuna.pruners.NopPruner,
        "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=3),
    }
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(journal)))
    return {"study_name": NAME, "storage": storage, "pruner": pruners[search.pruner]()}


class Trials:
    """The trials of a search, those of earlier calls included."""

    def __init__(self, scenario: Scenario, search: SearchTable, journal: Path) -> None:
        """Open the journal; `UsageError` where it is of another search."""
        optuna = load_optuna()
        self._optuna, self._scenario, self._search = optuna, scenario, search
        settings = _settings(optuna, search, epochs_of(scenario), journal)
        direction = "maximize" if is_accuracy(search.metric) else "minimize"
        study = optuna.create_study(**settings, direction=direction, load_if_exists=True)
        words = json.dumps(search.model_dump(exclude={"trials"}), sort_keys=True)
        if study.user_attrs.get("search", words) != words:
            raise UsageError(f"{journal} holds the trials of another search; write elsewhere with -o, or add --force")
        study.set_user_attr("search", words)
        # Drawn from the seed alone, the first trials of a search that is resumed were those it began with.
        seed = int(np.random.SeedSequence([scenario.seed, len(study.trials)]).generate_state(1)[0])
        samplers = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
        study.sampler = samplers[search.sampler](seed=seed)
        self._study = study

    def known(self) -> Iterator[Trial]:
        """Yield the runs of the trials that there are, finished or broken off."""
        for trial in self._study.get_trials(deepcopy=False):
            yield self._run(self._optuna.trial.Trial(self._study, trial._trial_id))

    def runs(self) -> Iterator[Trial]:
        """Yield the runs of the trials that there are, then new ones while any are left."""
        yield from self.known()
        while len(self._study.get_trials(deepcopy=False)) < self._search.trials:
            yield self._run(self._study.ask())

    def _run(self, trial: Any) -> Trial:
        values = {key: _suggested(trial, key, values) for key, values in self._search.space.items()}
        return Trial(run_with(self._scenario, values, "search").scenario, values, trial.number)

    def heard(self, run: Run, row: Row) -> None:
        """Tell Optuna what came of a trial, unless it knows."""
        if not isinstance(run, Trial) or self._study.get_trials(deepcopy=False)[run.number].state.is_finished():
            return
        state, value = self._optuna.trial.TrialState, row.outcome.get(self._search.metric)
        if row.failure or value is None:
            self._study.tell(run.number, state=state.FAIL)
        elif row.measured[PRUNED]:
            self._study.tell(run.number, state=state.PRUNED)
        else:
            self._study.tell(run.number, value)


def _suggested(trial: Any, key: str, values: Range | tuple[Any, ...]) -> Any:
    """Return the value of a key in a trial; the same one where it was drawn before."""
    if isinstance(values, Range):
        if isinstance(values.low, int) and isinstance(values.high, int):
            return trial.suggest_int(key, values.low, values.high, log=values.log)
        drawn = float(f"{trial.suggest_float(key, values.low, values.high, log=values.log):.{DIGITS}g}")
        return min(max(drawn, values.low), values.high)
    # Optuna chooses among plain values; tables and lists are known to it by their texts.
    texts = [value if isinstance(value, bool | int | float | str) else json.dumps(value) for value in values]
    return values[texts.index(trial.suggest_categorical(key, texts))]


def epochs_of(scenario: Scenario) -> int:
    """Return the epochs of a scenario's training, 1 without."""
    return 1 if scenario.learning is None else scenario.learning.epochs


class Follower:
    """Hears the epochs of a trial, in whatever process, and stops it where it is behind others."""

    def __init__(self, search: SearchTable, epochs: int, journal: Path, number: int) -> None:
        optuna = load_optuna()
        study = optuna.load_study(**_settings(optuna, search, epochs, journal))
        frozen = study.get_trials(deepcopy=False)[number]
        self._trial = optuna.trial.Trial(study, frozen._trial_id)
        self._metric, self._known = search.metric, set(frozen.intermediate_values)
        self.pruned = False

    def __call__(self, row: Rows) -> str | None:
        """Report an epoch; return "stop" where the trial is to end."""
        epoch, value = int(row["epoch"]), float(row[self._metric])
        if np.isnan(value):
            return None
        if epoch not in self._known:  # reported before it was broken off
            self._trial.report(value, epoch)
        self.pruned = bool(self._trial.should_prune())
        return STOP if self.pruned else None
