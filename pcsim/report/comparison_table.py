"""What a comparison measured, layer by layer and in one line a run: for tables, CSV and JSON."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from pcsim.errors import UsageError
from pcsim.report.summary import arrival_words
from pcsim.report.tables import new_table
from pcsim.runs.comparison import Comparison
from pcsim.trace.atomic import replacing
from pcsim.typing import NDArray
from pcsim.words import plain

HEADINGS = ("run", "layer", "arrival", "largest_relative_error", "last_relative_error")


@dataclass(frozen=True)
class Measured:
    """Of one run: when the signal arrived in each layer, and how far energies are from the reference's.

    `largest` over the steps that both recorded, and at the `last` of them; (layers,) each, NaN where there is no such
    step.
    """

    label: str
    arrivals: list[str]
    largest: NDArray[np.float64]
    last: NDArray[np.float64]


def measured(comparison: Comparison) -> list[Measured]:
    """Return what every run came to, in the order of the combinations."""
    # A flow can fail before the first time it was to record: that leaves no row.
    nothing = np.full((1, len(comparison.traces[0].layer_names)), np.nan)
    found: list[Measured] = []
    for i, (label, trace) in enumerate(zip(comparison.labels, comparison.traces, strict=True)):
        error = comparison.relative_error(i)
        error = error if len(error) else nothing
        found.append(Measured(label, arrival_words(trace), error.max(axis=0), error[-1]))
    return found


def run_table(comparison: Comparison, runs: list[Measured]) -> Table:
    """Return a table with a line a run: layers reached, arrival in the lowest, largest relative errors."""
    clock = comparison.traces[0].clock
    table = new_table(
        "run", "layers\nreached", f"arrival {clock}\nin layer 0", "largest relative\nerror", f"at last\n{clock}"
    )
    for run in runs:
        reached = sum(word not in ("never", "–") for word in run.arrivals)
        errors = (error_words(float(np.max(values))) for values in (run.largest, run.last))
        table.add_row(run.label, f"{reached} of {len(run.arrivals)}", run.arrivals[0], *errors)
    return table


def write_table(comparison: Comparison, path: Path, *, force: bool = False) -> Path:
    """Write every number as CSV, a row a run and layer; returns where.

    Raises `UsageError` where a file is there already, unless `force` allows to replace it, and for one that cannot be
    made.
    """
    names = comparison.traces[0].layer_names
    try:
        with replacing(path, new=not force) as temporary, temporary.open("x", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEADINGS)
            for run in measured(comparison):
                rows = zip(names, run.arrivals, run.largest.tolist(), run.last.tolist(), strict=True)
                writer.writerows((run.label, *row) for row in rows)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); choose another folder with -o") from error
    return path


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """Return the same as plain numbers, texts and lists; what is no number is None."""
    runs: list[dict[str, Any]] = []
    for combination, trace, found in zip(comparison.combinations, comparison.traces, measured(comparison), strict=True):
        place = {"backend": combination.backend, "precision": combination.precision, "form": combination.form}
        numbers = {"largest_relative_error": found.largest, "last_relative_error": found.last}
        arrivals = _arrivals(trace) if "arrival_step" in trace else None
        path = None if trace.path is None else str(trace.path)
        runs.append(
            {"label": found.label, **place, "status": trace.status, "trace": path, "arrivals": arrivals, **numbers}
        )
    title = str(comparison.traces[0].attributes.get("title", ""))
    layers = list(comparison.traces[0].layer_names)
    return plain({"title": title, "reference": comparison.labels[comparison.reference], "layers": layers, "runs": runs})


def _arrivals(trace: Any) -> list[float | int | None]:
    """Return the steps or times of arrival by layer, None if never."""
    if trace.clock == "time":
        return [None if np.isnan(time) else float(time) for time in trace.arrival_times]
    return [None if step < 0 else int(step) for step in trace.arrival_steps]


def error_words(value: float) -> str:
    """Return a relative error in two digits."""
    if not np.isfinite(value):
        return "–"
    return f"{value:.1e}" if value else "0"
