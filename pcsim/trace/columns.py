"""Rows as columns of numbers: what tables, CSV files and TensorBoard know."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from pcsim.typing import NDArray

Columns = dict[tuple[str, str], NDArray[Any]]
"""(rows,) by name and layer, which is empty for what has none."""


def columns_of(rows: Mapping[str, NDArray[Any]], layers: Sequence[str]) -> Columns:
    """Return rows, by name (rows,) or (rows, layer), as columns; what has samples or units is left out."""
    found: Columns = {}
    for name, values in rows.items():
        if values.ndim == 1:
            found[name, ""] = values
        elif values.ndim == 2 and values.shape[1] == len(layers) and not name.startswith(("states", "errors")):
            found |= {(name, layer): values[:, i] for i, layer in enumerate(layers)}
    return found


def csv_path(trace: Path, clock: str) -> Path:
    """Return where the rows of a trace along a clock lie as text: `run-epoch.csv` beside `run.h5`."""
    return trace.with_name(f"{trace.stem}-{clock}.csv")


def write_csv(file: TextIO, clock: str, columns: Columns, *, head: bool) -> None:
    """Write rows of numbers, every digit of them, under a `head` that names the columns: `step`, `energy layer 0`, …"""
    ordered = {(clock, ""): columns[clock, ""]} | columns
    writer = csv.writer(file, lineterminator="\n")
    if head:
        writer.writerow(" ".join(filter(None, column)) for column in ordered)
    writer.writerows(zip(*(values.tolist() for values in ordered.values()), strict=True))
