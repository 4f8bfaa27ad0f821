"""Rows as columns of numbers: what tables, CSV files and TensorBoard know."""

from collections.abc import Mapping, Sequence
from typing import Any

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


def heading(column: tuple[str, str]) -> str:
    """Return the heading of a column in one line: `energy layer 3`."""
    return " ".join(filter(None, column))
