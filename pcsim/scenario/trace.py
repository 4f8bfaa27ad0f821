"""The `[trace]` table: what is recorded, and how often."""

from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field

from pcsim.scenario.fields import Allowed, AtLeastTwo, Count, Table

Recordable = Literal[
    "energy", "grad_norm", "states", "errors", "energy_per_sample", "weight_gradient", "arrival_per_sample"
]
Loggable = Literal["csv", "tensorboard"]
T = TypeVar("T")


class LogSpaced(Table):
    """Steps that are evenly spaced on a logarithmic scale, `every = { log = 200 }`."""

    log: AtLeastTwo
    """How many steps to record at most, 0 among them; the last step comes in any case."""


def _each_once(names: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(names))


class TraceTable(Table):
    """What is recorded, and how often (`[trace]`)."""

    record: Annotated[
        tuple[Recordable, ...],
        AfterValidator(_each_once),
        Allowed(
            'a list of words, as in ["energy", "states"], out of ' + ", ".join(Recordable.__args__), Recordable.__args__
        ),
    ] = ("energy", "grad_norm")
    """Quantities to record."""
    every: Annotated[
        Count | LogSpaced,
        Allowed("a whole number, 1 or more, or a table, as in { log = 200 }, with 2 or more"),
    ] = 1
    """Record every so many steps, or a number of logarithmically spaced steps."""
    log: Annotated[
        Annotated[tuple[Loggable, ...], Field(min_length=1), AfterValidator(_each_once)] | None,
        Allowed('a list of words, as in ["csv"], out of ' + ", ".join(Loggable.__args__), Loggable.__args__),
    ] = None
    """What else is written beside the trace while the run goes on, for other programs: csv, a file a clock
    (NAME-epoch.csv, NAME-update.csv, NAME-step.csv), tensorboard, events in the folder NAME.tensorboard; without it
    nothing."""
