"""What a run writes for other programs while it goes on, besides its trace: CSV files and TensorBoard's events."""

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from pcsim.errors import UsageError
from pcsim.runs.hooks import Hooks, Rows
from pcsim.scenario import Scenario
from pcsim.trace.columns import Columns, columns_of, csv_path, write_csv

CLOCKS = ("epoch", "update", "evaluation", "step", "time")
_EVENTS = "events.out.tfevents.*"
Log = Callable[[str, Columns], None]
"""Takes the columns of rows along a clock, the clock's own among them."""


def check_logs(scenario: Scenario, trace: Path | None, *, replace: bool) -> None:
    """Raise `UsageError` where the logs that a scenario asks for cannot be written beside its trace.

    Those that are there already may be replaced or gone on with if `replace` is given.
    """
    if not scenario.trace.log:
        return
    where = scenario.where("trace.log")
    if trace is None:
        raise UsageError(f"{where}: logs are written beside the trace, which is in memory here; give it a path")
    if "tensorboard" in scenario.trace.log and find_spec("tensorboardX") is None:
        raise UsageError(
            f"{where}: TensorBoard's events need a package that is missing; install it with: "
            "pip install 'pcsim[tensorboard]'"
        )
    there = [
        path for path in (*(csv_path(trace, clock) for clock in CLOCKS), *_folder(trace).glob(_EVENTS)) if path.exists()
    ]
    if there and not replace:
        raise UsageError(f"{there[0]} exists, a log of another run; choose another name with -o or add --force")


@contextmanager
def logging(
    hooks: Hooks, scenario: Scenario, trace: Path | None, layers: Sequence[str], start: tuple[int, int] | None
) -> Generator[Hooks]:
    """Yield hooks that also write the logs that a scenario asks for.

    `start` is the epoch and the update from which training goes on, whose rows before that stay; None begins anew.
    """
    if trace is None or not scenario.trace.log:
        yield hooks
        return
    with ExitStack() as stack:
        kinds = {"csv": _csv_log, "tensorboard": _tensorboard_log}
        logs = [kinds[word](trace, start, stack) for word in scenario.trace.log]

        def rows(rows: Rows) -> None:
            clock = next(name for name in CLOCKS if name in rows)
            for log in logs:
                log(clock, columns_of(rows, layers))

        def epoch(row: Rows) -> None:
            rows({name: np.asarray(value)[None] for name, value in row.items()})

        yield hooks.and_of((epoch,), (rows,))


def _csv_log(trace: Path, start: tuple[int, int] | None, stack: ExitStack) -> Log:
    """Return a log with a file a clock, `run-epoch.csv`, `run-update.csv`, `run-step.csv`, each made with its rows."""
    open_files: dict[str, TextIO] = {}
    epoch, update = start or (0, 0)
    for clock, last in zip(CLOCKS, (epoch, update, update, 0, 0), strict=True):
        _keep_rows(csv_path(trace, clock), last)

    def log(clock: str, columns: Columns) -> None:
        path = csv_path(trace, clock)
        new = not path.exists()
        if clock not in open_files:
            open_files[clock] = stack.enter_context(path.open("a", newline="", encoding="utf-8"))
        write_csv(open_files[clock], clock, columns, head=new)
        open_files[clock].flush()

    return log


def _keep_rows(path: Path, last: int) -> None:
    """Leave in a file of an earlier run its rows up to a number; remove it where there are none."""
    if not path.exists():
        return
    head, *rows = path.read_bytes().decode(errors="replace").splitlines(keepends=True) or [""]
    whole = [row for row in rows if row.endswith("\n") and row.partition(",")[0].isdecimal()]
    kept = [row for row in whole if int(row.partition(",")[0]) <= last]
    if kept and last:
        path.write_bytes("".join([head, *kept]).encode())
    else:
        path.unlink()


def _tensorboard_log(trace: Path, start: tuple[int, int] | None, stack: ExitStack) -> Log:
    """Return a log in the folder `run.tensorboard`: tags such as `epoch/test_accuracy` and `step/energy/layer_3`.

    Of updates the last of every stretch is written; times are numbered, since TensorBoard counts in whole steps.
    """
    from tensorboardX import SummaryWriter

    if start is None:
        for old in _folder(trace).glob(_EVENTS):
            old.unlink()
    writer: Any = stack.enter_context(SummaryWriter(str(_folder(trace)), flush_secs=5))
    times = 0

    def log(clock: str, columns: Columns) -> None:
        nonlocal times
        numbers = columns.pop((clock, ""))
        if clock == "time":
            numbers = np.arange(times, times + len(numbers))
            times += len(numbers)
        for (name, layer), values in columns.items():
            # TensorBoard's tags have no blanks.
            tag = "/".join(filter(None, (clock, name, layer.replace(" ", "_"))))
            for row in range(len(values) - 1 if clock == "update" else 0, len(values)):
                if np.isfinite(values[row]):
                    writer.add_scalar(tag, float(values[row]), int(numbers[row]))

    return log


def _folder(trace: Path) -> Path:
    return trace.with_suffix(".tensorboard")
