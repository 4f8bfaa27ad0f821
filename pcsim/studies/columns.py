"""The rows of a study in its file, below /runs: columns of what every run has, and arrays of any shape end to end."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from pcsim.studies.rows import Row
from pcsim.trace.objects import write_attributes
from pcsim.trace.opening import texts
from pcsim.typing import NDArray

GROUP = "runs"
_ABSENT = -1
_MEANINGS = {
    "key": "digest of the run's resolved scenario and data",
    "values": "in which it differs from the others, by key of the scenario, as JSON",
    "failure": "why it came no further, empty where it did",
    "again": "1 where it is tried again when the study is resumed",
    "seconds": "how long it took",
}


def write_rows(file: Any, rows: Sequence[Row]) -> None:
    """Write rows into a new file."""
    group = file.create_group(GROUP)
    group.create_dataset("run", data=np.arange(len(rows))).make_scale("run")
    columns: dict[str, Any] = {
        "key": [row.key for row in rows],
        "values": [json.dumps(row.values) for row in rows],
        "failure": [row.failure.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0") for row in rows],
        "again": np.array([row.again for row in rows], dtype=np.int8),
        "seconds": np.array([row.seconds for row in rows], dtype=np.float64),
    }
    for name, values in columns.items():
        _column(group, name, values, _MEANINGS[name])
    outcome = group.create_group("outcome")
    for name in _names([row.outcome for row in rows]):
        values = np.array([row.outcome.get(name, np.nan) for row in rows], dtype=np.float64)
        _column(outcome, name, values, f"{name.replace('_', ' ')} in the end")
        outcome[name].dims[0].attach_scale(group["run"])
    measured = group.create_group("measured")
    for name in _names([row.measured for row in rows]):
        _write_ragged(measured.create_group(name), [row.measured.get(name) for row in rows])


def _column(group: Any, name: str, values: Any, meaning: str) -> None:
    made = group.create_dataset(
        name, data=values, dtype=None if isinstance(values, np.ndarray) else h5py.string_dtype()
    )
    write_attributes(made, {"long_name": meaning})
    if "run" in group:
        made.dims[0].attach_scale(group["run"])


def _names(found: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for each in found for name in each))


def _write_ragged(group: Any, arrays: Sequence[NDArray[Any] | None]) -> None:
    """Write arrays of several shapes: their numbers one after another, and the shape of each."""
    there = [array for array in arrays if array is not None]
    axes = np.array([_ABSENT if array is None else array.ndim for array in arrays], dtype=np.int8)
    shape = np.zeros((len(arrays), max(array.ndim for array in there)), dtype=np.int64)
    for row, array in zip(shape, arrays, strict=True):
        if array is not None:
            row[: array.ndim] = array.shape
    flat = np.concatenate([array.reshape(-1) for array in there])
    if flat.dtype.kind in "UO":
        group.create_dataset("data", data=[str(text) for text in flat], dtype=h5py.string_dtype())
    else:
        group.create_dataset("data", data=flat)
    group.create_dataset("axes", data=axes)
    group.create_dataset("shape", data=shape)


def _read_ragged(group: Any) -> list[NDArray[Any] | None]:
    is_text = h5py.check_string_dtype(group["data"].dtype) is not None
    data = np.array(texts(group["data"])) if is_text else np.asarray(group["data"][()])
    found, first = list[NDArray[Any] | None](), 0
    for axes, row in zip(group["axes"][()], group["shape"][()], strict=True):
        if axes == _ABSENT:
            found.append(None)
            continue
        shape = tuple(int(length) for length in row[:axes])
        size = int(np.prod(shape, dtype=np.int64))
        found.append(data[first : first + size].reshape(shape))
        first += size
    return found


def read_rows_of(file: Any) -> list[Row]:
    """Return the rows in a file with all that was measured; none in one that has no /runs."""
    if GROUP not in file:
        return []
    group = file[GROUP]
    measured = {name: _read_ragged(group["measured"][name]) for name in group["measured"]}
    rows = zip(*read_columns(file), strict=True)
    return [
        Row(key, values, {name: a for name, each in measured.items() if (a := each[i]) is not None}, outcome, *rest)
        for i, (key, values, outcome, *rest) in enumerate(rows)
    ]


def read_columns(file: Any) -> tuple[Any, ...]:
    """Return keys, values, outcomes, failures, whether to try again, and seconds, each a list with an entry a run."""
    group = file[GROUP]
    outcome = {name: np.asarray(item[()]) for name, item in group["outcome"].items()}
    count = len(group["run"])
    return (
        list(texts(group["key"])),
        [json.loads(text) for text in texts(group["values"])],
        [{name: float(v[i]) for name, v in outcome.items() if not np.isnan(v[i])} for i in range(count)],
        list(texts(group["failure"])),
        [bool(again) for again in group["again"][()]],
        [float(seconds) for seconds in group["seconds"][()]],
    )
