"""The `[search]` table: ranges and choices by key, and how runs are drawn from them until a number is best."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from pcsim.scenario.fields import Allowed, Count, Flag, Inconsistency, Table, clash
from pcsim.scenario.learning import LearningTable

VALUES = Allowed(
    "a list of values, or a range, as in { low = 1e-3, high = 0.5, log = true }, with low below high, and above 0 "
    "where log is true"
)
EXAMPLE = Allowed("a table with trials and keys to search over, as in inference.step_size = { low = 1e-3, high = 0.5 }")
Metric = Literal[
    "validation_accuracy",
    "validation_loss",
    "test_accuracy",
    "test_loss",
    "train_accuracy",
    "train_loss",
    "final_energy",
]


class Range(Table):
    """Numbers from `low` to `high`, whole ones where both are written so; with `log` even in their logarithms."""

    low: int | float
    """The smallest."""
    high: int | float
    """The largest."""
    log: Flag = False
    """Whether each factor is as likely as any other."""

    @model_validator(mode="after")
    def _check(self) -> "Range":
        if any(isinstance(end, bool) for end in (self.low, self.high)) or not self.low < self.high:
            raise ValueError
        if self.log and self.low <= 0:
            raise ValueError
        return self


Choices = Annotated[tuple[Any, ...], Field(min_length=1)]


class SearchTable(Table):
    """How runs are drawn, one after another by what came of those before (`[search]`, extra `search`).

    All other keys are keys of the scenario, each with a list of values or a range.
    """

    model_config = ConfigDict(extra="allow")
    # how pydantic is told of the type of further keys
    __pydantic_extra__: dict[str, Range | Choices] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]

    trials: Count
    """How many runs."""
    sampler: Literal["tpe", "random"] = "tpe"
    """tpe draws near what was good so far (Bergstra et al. 2011), random anywhere."""
    pruner: Literal["none", "hyperband"] = "none"
    """hyperband stops trainings early that are behind others after as many epochs (Li et al. 2018)."""
    metric: Metric = "validation_accuracy"
    """What is to be best in the end: of the epoch whose weights are kept, or the sum of energies after inference."""

    @property
    def space(self) -> Mapping[str, Range | tuple[Any, ...]]:
        """What is searched over, by key of the scenario."""
        return self.__pydantic_extra__ or {}


WORDS = tuple(SearchTable.model_fields)


def flattened_search(search: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return ranges and lists by dotted key, whether a file has tables in the table or quoted keys."""
    found: dict[str, Any] = {}
    for key, value in search.items():
        path = f"{prefix}{key}"
        nested = isinstance(value, Mapping) and value and not value.keys() & Range.model_fields.keys()
        found |= flattened_search(value, f"{path}.") if nested else {path: value}
    return found


def search_problems(
    search: SearchTable | None, kind: str | None, sweeps: bool, learning: LearningTable | None, validation: float
) -> Iterator[Inconsistency]:
    """Yield what does not go with a search, or with a study of one that is not there."""
    if search is None:
        if kind == "search":
            yield clash('study.kind = "search"', "[search], which is missing", "add it, or remove [study]")
        return
    if not search.space:
        yield Inconsistency(("search",), f"search names no key to search over; give {EXAMPLE.phrase}")
    if sweeps:
        yield clash("search.trials", "[sweep]", "write its lists in [search], or remove one of the two")
    if kind not in (None, "search"):
        yield clash("search.trials", f'study.kind = "{kind}"', "remove [study]")
    where = f'search.metric = "{search.metric}"'
    if learning is None and search.metric != "final_energy":
        yield Inconsistency(
            ("search.metric", "search"), f'{where} is of training; write "final_energy", or add [learning]'
        )
    elif learning is not None and search.metric.startswith("validation") and not validation:
        advice = "write validation = 0.1 in [data]"
        yield Inconsistency(("search.metric", "search"), f"{where} needs samples that are held out; {advice}")
    if search.pruner != "none" and (learning is None or search.metric == "final_energy"):
        text = f'search.pruner = "{search.pruner}" goes by a number of every epoch; write pruner = "none"'
        yield Inconsistency(("search.pruner",), text)
