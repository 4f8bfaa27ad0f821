"""What came of the runs of a study, as a table for the terminal, a CSV file and a scenario."""

import csv
import io
from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from pcsim.errors import UsageError
from pcsim.report.tables import new_table, print_table
from pcsim.scenario import scenario_text
from pcsim.scenario.toml_text import quoted
from pcsim.studies import Group, StudyRuns
from pcsim.studies.ranking import in_words
from pcsim.trace.atomic import replacing
from pcsim.words import count

SHOWN = 6
"""Numbers in the table; the CSV file has all."""


def print_results(found: StudyRuns, console: Console, best: int | None = None) -> None:
    """Print a line a group of runs that differ in nothing but a seed, the `best` alone where a number is given."""
    groups, failed = found.groups(), sum(map(bool, found.failure))
    if found.title:
        console.print(found.title, style="bold", soft_wrap=True)
    after = f", {failed} failed" if failed else ""
    console.print(f"study {found.kind}: {count(len(found.values), 'run')}{after} (status {found.status})")
    keys, names = [key for key in found.keys if any(key in group.values for group in groups)], found.names[:SHOWN]
    seeds = any(len(group.runs) > 1 for group in groups)
    headings = [*_short(keys), *(["seeds"] if seeds else []), *(name.replace("_", " ") for name in names)]
    table = new_table(*(headings or ["run"]), *(["failed"] if failed else []))
    for group in groups[:best]:
        cells = [_value(group.values[key]) if key in group.values else "" for key in keys]
        cells += [str(len(group.runs))] if seeds else []
        cells += [_number(group, name) for name in names]
        cells = cells if headings else ["the run"]
        table.add_row(*map(Text, cells), *([Text(_failure(group))] if failed else []))
    print_table(table, console)
    if found.by is not None and found.by.startswith("test"):
        console.print("sorted by test samples: to choose by others, hold some out (data.validation)", soft_wrap=True)


def _short(keys: Sequence[str]) -> list[str]:
    """Return the last words of keys, whole ones where these are the same."""
    last = [key.rpartition(".")[2] for key in keys]
    return [word.replace("_", " ") if last.count(word) == 1 else key for key, word in zip(keys, last, strict=True)]


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else quoted(value)


def _number(group: Group, name: str) -> str:
    numbers = group.numbers(name)
    if not numbers.size:
        return "–"
    return in_words(name, float(numbers.mean()), float(numbers.std(ddof=1)) if numbers.size > 1 else None)


def _failure(group: Group) -> str:
    failures = group.failures
    several = f"{len(failures)} of {len(group.runs)}: " if len(group.runs) > 1 and failures else ""
    return f"{several}{failures[0]}" if failures else ""


def write_csv(found: StudyRuns, path: Path) -> None:
    """Write a row a run: the keys in which they differ, all their numbers, why they failed, and seconds."""
    names = [*found.keys, *found.names]
    columns = [found.column(name).tolist() for name in names]
    with io.StringIO(newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*names, "failure", "seconds"])
        for row in zip(*columns, found.failure, found.seconds, strict=True):
            writer.writerow(["" if isinstance(value, float) and isnan(value) else value for value in row])
        _write(path, text.getvalue())


def write_best(found: StudyRuns, path: Path) -> None:
    """Write the scenario of the best runs."""
    _write(path, scenario_text(found.best_scenario()))


def check_new_file(path: Path, *, force: bool) -> None:
    """Raise `UsageError` where a file cannot be written, or is there and may not be replaced."""
    if not path.parent.is_dir():
        raise UsageError(f"{path}: the folder {path.parent} does not exist; make it, or name another place")
    if path.exists() and not (force and path.is_file()):
        raise UsageError(f"{path} exists; choose another name" + ("" if path.is_dir() else ", or add --force"))


def _write(path: Path, text: str) -> None:
    try:
        with replacing(path, synced=False) as temporary:
            temporary.write_text(text)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); choose another place") from error
