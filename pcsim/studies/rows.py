"""Rows of a study: what came of a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pcsim.typing import NDArray

Measures = Mapping[str, Any]
"""What a kind of study measures of a run: arrays, numbers and texts by name.

`failure`, where it is no None, says why the run came no further; `outcome` are its numbers in the end, by name.
"""


@dataclass(frozen=True)
class Row:
    """A run that is over."""

    key: str
    """The same for the same run: a digest of its resolved scenario, its data and the kind of study."""
    values: Mapping[str, Any]
    """In which it differs from the others, by key of the scenario."""
    measured: Mapping[str, NDArray[Any]] = field(default_factory=dict[str, NDArray[Any]])
    outcome: Mapping[str, float] = field(default_factory=dict[str, float])
    failure: str = ""
    again: bool = False
    """Whether it is worth another try: it failed for want of memory, a device or a file."""
    seconds: float = 0.0


def measured_row(key: str, values: Mapping[str, Any], found: Measures, seconds: float) -> Row:
    """Return the row of a run that was measured."""
    arrays = {name: np.asarray(value) for name, value in found.items() if name not in ("failure", "outcome")}
    return Row(
        key, values, arrays, found.get("outcome", {}), failure_in_words(found.get("failure") or ""), seconds=seconds
    )


def failure_in_words(failure: str) -> str:
    """Return why a run failed without the advice: it is for whoever runs that alone."""
    return failure.splitlines()[0].partition("; ")[0] if failure else ""
