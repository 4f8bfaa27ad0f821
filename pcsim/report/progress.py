"""How far a run is: a bar on terminals and in notebooks, a line an epoch elsewhere."""

import html
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pcsim.report.training_summary import measures
from pcsim.runs.hooks import Rows
from pcsim.scenario import Scenario
from pcsim.words import duration

PATIENCE = 1.0
"""Seconds before a bar is shown."""
BETWEEN_LINES = 5.0
"""Seconds before a line is printed, and between two."""
PARTS = 10
"""Lines of a run without epochs."""
STEPS = "{task.completed:,.0f}/{task.total:,.0f} steps"
RUNS = "{task.completed:,.0f}/{task.total:,.0f} runs"
UPDATES = "{task.completed:,.0f}/{task.total:,.0f} updates"
TIME = "time {task.completed:.3g} of {task.total:g}"


class Shown:
    """What a run's hooks show; this one shows nothing."""

    def progress(self, now: float, end: float) -> None:
        """Hear how far the run is."""

    def epoch(self, row: Rows) -> None:
        """Hear what an epoch came to."""

    def rows(self, rows: Rows) -> None:
        """Hear of rows."""

    def runs(self, over: float, of: float) -> None:
        """Hear how many runs of several that go side by side are over."""

    def best(self, words: str) -> None:
        """Hear which run of several is the best so far."""


@contextmanager
def shown_progress(scenario: Scenario, console: Console) -> Generator[Shown]:
    """Show on a console how far a run of a scenario is, once it takes seconds; lines go to the error stream."""
    if console.quiet:
        yield Shown()
    elif console.is_jupyter or console.is_terminal:
        bar = _CellBar(scenario) if console.is_jupyter else _TerminalBar(scenario, console)
        try:
            yield bar
        finally:
            bar.stop()
    else:
        yield _Lines(scenario, Console(stderr=True))


def in_notebook() -> bool:
    """Tell whether this is a notebook, where somebody waits and sees nothing else."""
    return "IPython" in sys.modules and Console().is_jupyter


class _Bar(Shown, ABC):
    refresh = 0.1
    """Seconds between two pictures."""

    def __init__(self, scenario: Scenario) -> None:
        learning = scenario.learning if scenario.asks_for is None else None
        self._epochs = None if learning is None else learning.epochs
        self._last, self._loss, self._measures, self._best = 0, "", "", ""
        self._what, self._where = _words_of(scenario)
        self._begun, self._shown = time.monotonic(), 0.0

    def progress(self, now: float, end: float) -> None:
        moment = time.monotonic()
        if moment - self._begun < PATIENCE or moment - self._shown < self.refresh:
            return
        self._shown = moment
        epoch = f"epoch {self._last + 1}/{self._epochs}" if self._epochs and self._last < self._epochs else ""
        self._draw(now, end, ", ".join(filter(None, (epoch, self._loss, self._measures, self._best))))

    def epoch(self, row: Rows) -> None:
        self._last, self._measures = int(row["epoch"]), _in_words(row, 1)

    def rows(self, rows: Rows) -> None:
        if "update" in rows:
            self._loss = f"loss {float(rows['loss'][-1]):.3g}"

    def runs(self, over: float, of: float) -> None:
        self._epochs, self._what, self._where = None, "seeds", RUNS
        self.progress(over, of)

    def best(self, words: str) -> None:
        self._best = words

    @abstractmethod
    def _draw(self, now: float, end: float, said: str) -> None: ...

    @abstractmethod
    def stop(self) -> None:
        """Take the bar away."""


class _TerminalBar(_Bar):
    def __init__(self, scenario: Scenario, console: Console) -> None:
        super().__init__(scenario)
        self._bar = Progress(console=console, transient=True, auto_refresh=False)
        self._task = self._bar.add_task("", said="")

    def _draw(self, now: float, end: float, said: str) -> None:
        words = TextColumn(self._what), BarColumn(), TextColumn(self._where), TextColumn("{task.fields[said]}")
        self._bar.columns = (*words, TimeRemainingColumn())
        with suppress(OSError):  # a terminal that is gone is no reason to stop
            self._bar.update(self._task, completed=now, total=end, said=said)
            self._bar.start()
            self._bar.refresh()

    def stop(self) -> None:
        with suppress(OSError):
            self._bar.stop()


class _CellBar(_Bar):
    """One output of a notebook's cell, which is renewed, and empty in the end; it needs no widgets."""

    refresh = 0.3

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self._first: tuple[float, float] | None = None
        self._handle: Any = None

    def _draw(self, now: float, end: float, said: str) -> None:
        moment = time.monotonic()
        if self._first is None or now < self._first[1]:
            self._first = moment, now
        since, first = self._first
        left = f"{duration((moment - since) * (end - now) / (now - first))} left" if first < now < end else ""
        where = self._where.format(task=SimpleNamespace(completed=now, total=end))
        words = f"{self._what} {'; '.join(filter(None, (where, said, left)))}"
        bar = f'<progress value="{now:g}" max="{end:g}" style="vertical-align: middle"></progress>'
        self._show({"text/html": f"{bar} {html.escape(words)}", "text/plain": words})

    def _show(self, shown: dict[str, str]) -> None:
        from IPython.display import DisplayHandle

        if self._handle is None:
            self._handle = DisplayHandle()
            self._handle.display(shown, raw=True)
        else:
            self._handle.update(shown, raw=True)

    def stop(self) -> None:
        if self._handle is not None:
            self._show({"text/html": "", "text/plain": ""})


class _Lines(Shown):
    def __init__(self, scenario: Scenario, console: Console) -> None:
        self._learning, self._console = scenario.learning if scenario.asks_for is None else None, console
        self._unit = "run" if scenario.asks_for is not None else "time" if scenario.inference.solver else "step"
        self._begun = self._said = time.monotonic()
        self._first: float | None = None
        self._left, self._part, self._best = "", 0, ""

    def progress(self, now: float, end: float) -> None:
        spent = time.monotonic() - self._begun
        if self._first is None or now < self._first:
            self._begun, self._first = time.monotonic(), now
        elif now > self._first:
            self._left = f"; {duration(spent * (end - now) / (now - self._first))} left" if now < end else ""
        part = int(PARTS * now / end) if end else PARTS
        if self._learning is None and part > self._part and now < end and self._is_time():
            self._part = part
            self._say(f"{self._unit} {now:,.4g} of {end:,.4g}{self._left}{self._best}")

    def epoch(self, row: Rows) -> None:
        if self._learning is not None and self._is_time():
            self._say(f"epoch {row['epoch']} of {self._learning.epochs}: {_in_words(row, 3)}{self._left}")

    def runs(self, over: float, of: float) -> None:
        self._learning, self._unit = None, "run"
        self.progress(over, of)

    def best(self, words: str) -> None:
        self._best = f"; {words}" if words else ""

    def _is_time(self) -> bool:
        return time.monotonic() - self._said >= BETWEEN_LINES

    def _say(self, line: str) -> None:
        self._said = time.monotonic()
        with suppress(OSError):
            self._console.print(line, highlight=False, markup=False, emoji=False, soft_wrap=True)


def _words_of(scenario: Scenario) -> tuple[str, str]:
    if scenario.asks_for is not None:
        return "study", RUNS
    if scenario.learning is not None:
        return "training", UPDATES
    return "inference", STEPS if scenario.inference.solver is None else TIME


def _in_words(row: Rows, most: int) -> str:
    history: dict[str, Any] = {name: np.asarray(value)[None] for name, value in row.items()}
    return ", ".join(measures(history, 0)[:most])
