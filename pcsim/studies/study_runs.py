"""What came of the runs of a study: their own values and their numbers in the end, one by one and over seeds."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pcsim.errors import UsageError
from pcsim.scenario import Scenario, parse_scenario, run_with
from pcsim.scenario.sweep import flattened
from pcsim.studies.columns import GROUP, read_columns
from pcsim.studies.ranking import BY, is_accuracy, ranked_by
from pcsim.trace import Trace, open_trace
from pcsim.trace.files import reading
from pcsim.trace.tables import required
from pcsim.typing import NDArray


@dataclass(frozen=True)
class StudyRuns:
    """The runs of a study that are over, a place in each list for every one."""

    kind: str
    title: str
    status: str
    values: Sequence[Mapping[str, Any]]
    """In which a run differs from the others, by key of the scenario."""
    outcome: Sequence[Mapping[str, float]]
    failure: Sequence[str]
    """Why a run came no further, empty where it did."""
    seconds: Sequence[float]
    text: str
    """The scenario of the study, as TOML."""

    @property
    def names(self) -> list[str]:
        """The names of all numbers, those that runs are ranked by first."""
        there = dict.fromkeys(name for outcome in self.outcome for name in outcome)
        return sorted(there, key=lambda name: BY.index(name) if name in BY else len(BY))

    @cached_property
    def by(self) -> str | None:
        """The number that runs are ranked by."""
        return ranked_by(self.outcome)

    @property
    def keys(self) -> list[str]:
        """The keys of the scenario in which runs differ."""
        return list(dict.fromkeys(key for values in self.values for key in values))

    def column(self, key: str) -> NDArray[Any]:
        """Return a value or number of every run, (run,): NaN where a run has none, texts where it is no number."""
        found = [self.outcome[i].get(key, values.get(key)) for i, values in enumerate(self.values)]
        if all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in found):
            whole = all(isinstance(value, int) for value in found)
            return np.array([np.nan if value is None else value for value in found], dtype=None if whole else float)
        return np.array(["" if value is None else _as_text(value) for value in found])

    def to_dataframe(self) -> Any:
        """Return a pandas data frame, a row a run: the keys in which they differ, their numbers, failures, seconds."""
        pandas = required("pandas")

        columns = {name: self.column(name) for name in (*self.keys, *self.names)}
        return pandas.DataFrame({**columns, "failure": list(self.failure), "seconds": list(self.seconds)})

    def to_xarray(self) -> Any:
        """Return an xarray data set of the numbers, (run), with the keys in which runs differ as coordinates."""
        xarray = required("xarray")

        numbers = {name: ("run", self.column(name)) for name in self.names}
        rest = {"failure": ("run", list(self.failure)), "seconds": ("run", list(self.seconds))}
        return xarray.Dataset({**numbers, **rest}, coords={key: ("run", self.column(key)) for key in self.keys})

    def groups(self) -> "list[Group]":
        """Return runs that differ in nothing but a seed together, the best first, those that all failed last."""
        found: dict[str, list[int]] = {}
        for i, values in enumerate(self.values):
            found.setdefault(json.dumps(_without_seeds(values), sort_keys=True), []).append(i)
        groups = [Group(self, _without_seeds(self.values[runs[0]]), tuple(runs)) for runs in found.values()]
        return sorted(groups, key=lambda group: group.rank)

    def best_scenario(self) -> Scenario:
        """Return the scenario of the best runs, ready to run: of several seeds it trains with all of them.

        Raises `UsageError` where no run has a number to rank it by.
        """
        best = self.groups()[0] if self.outcome else None
        if best is None or not np.isfinite(best.rank):
            raise UsageError("no run has come to a number that runs are ranked by: there is no best one")
        base, swept = _parted(self.text)
        scenario = parse_scenario(base, name="the study's scenario", allow=())
        shared = {key: lists[0] for key, lists in swept.items() if len(lists) == 1}
        found = run_with(scenario, {**shared, **self.values[best.runs[0]]}).scenario
        seeds = [self.values[i]["seed"] for i in best.runs if "seed" in self.values[i]]
        if found.learning is None or len(seeds) < 2:
            return found
        return found.model_copy(update={"learning": found.learning.model_copy(update={"seeds": tuple(seeds)})})


@dataclass(frozen=True)
class Group:
    """Runs of a study that differ in nothing but a seed."""

    of: StudyRuns
    values: Mapping[str, Any]
    runs: tuple[int, ...]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a number of those runs that came to their end."""
        found = [self.of.outcome[i][name] for i in self.runs if name in self.of.outcome[i] and not self.of.failure[i]]
        return np.array(found, dtype=np.float64)

    @property
    def failures(self) -> list[str]:
        """Why runs of these failed."""
        return [self.of.failure[i] for i in self.runs if self.of.failure[i]]

    @property
    def rank(self) -> float:
        """What groups are sorted by: ascending, infinite without a number."""
        numbers = self.numbers(self.of.by) if self.of.by is not None else np.empty(0)
        if not numbers.size or not np.isfinite(numbers).all():
            return np.inf
        return float(-numbers.mean() if is_accuracy(self.of.by or "") else numbers.mean())


def results(study: str | Path | Trace) -> StudyRuns:
    """Return what came of the runs of a study, by its file or its open trace; arrays along steps are not read.

    Raises `UsageError` for a file that is no study, and for one that was written before studies kept a row a run.
    """
    if not isinstance(study, Trace):
        with open_trace(study) as trace:
            return results(trace)
    name = study.path or "the trace"
    if "study" not in study.attributes:
        raise UsageError(f"{name} is of one run, not of a study; pcsim view and pcsim plot show it")
    if GROUP not in study:
        raise UsageError(f"{name} has no row a run: nothing is finished, or an older pcsim wrote it; run it again")
    with reading(study.path):
        _, values, outcome, failure, _, seconds = read_columns(study.file)
    attributes = study.attributes
    texts = (str(attributes["study"]), str(attributes.get("title", "")), study.status)
    return StudyRuns(*texts, values, outcome, failure, seconds, study.provenance["scenario"])


def _without_seeds(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in ("seed", "data.seed")}


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _parted(text: str) -> tuple[str, Mapping[str, Sequence[Any]]]:
    """Return a resolved scenario's text without its sweep and study, and the lists of the sweep."""
    parts = [f"[{part}" if i else part for i, part in enumerate(f"\n{text}".split("\n["))]
    base = [part for part in parts if part.partition("]")[0] not in ("[sweep", "[study")]
    swept: Any = tomllib.loads("\n".join(part for part in parts if part.startswith("[sweep]")))
    return "\n".join(base).lstrip("\n"), flattened(swept.get("sweep", {}))
