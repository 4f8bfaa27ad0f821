"""Studies in trace files: the results under /study, whole at any moment."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pcsim.assemble import build_network
from pcsim.errors import RunFailed
from pcsim.runs.provenance import describe_machine
from pcsim.scenario import Scenario, scenario_text
from pcsim.studies.columns import read_rows_of, write_rows
from pcsim.studies.results import Measured, Results
from pcsim.studies.rows import Row
from pcsim.trace import Beginning, Layout, Trace, open_trace
from pcsim.trace.assemble import start_file, with_own_attributes
from pcsim.trace.atomic import replacing
from pcsim.trace.files import abandoned_on_error, closing, reading
from pcsim.trace.objects import read_attribute, write_attributes
from pcsim.trace.opening import texts
from pcsim.trace.scales import is_scale, scales_of
from pcsim.trace.space import why

GROUP = "study"
FROM_ONE = ("epoch", "update")
"""Dimensions that count from 1, as those of /training do; files from before count them from 0."""
Attributes = Mapping[str, str | int | float]


def write_study(
    path: Path | None,
    scenario: Scenario,
    attributes: Attributes,
    results: Results,
    rows: Sequence[Row],
    *,
    new: bool,
) -> Trace:
    """Write a trace that holds the results of a study and the rows of its runs, and open it; `path` None keeps it in
    memory.

    The file is new and put in its place at once: a reader, and a run that is killed, meet one whole file or another.
    Raises `UsageError` where a file of this name exists and a `new` one is wanted, `RunFailed` where it cannot be
    written.
    """

    if path is None:
        return Trace(_written(None, scenario, attributes, results, rows), None)
    try:
        with (
            replacing(path, new=new) as temporary,
            closing(_written(temporary, scenario, attributes, results, rows)),
        ):
            pass
    except (OSError, RuntimeError) as error:
        raise RunFailed(f"{path}: cannot write on ({why(error)}); what was finished before is safe") from None
    return open_trace(path)


def results_of(trace: Trace) -> Results:
    """Return what a study came to as far as it is finished; empty where the trace is of no study.

    Raises `UsageError` where the file is damaged.
    """
    if GROUP not in trace:
        return {}
    with reading(trace.path):
        return {name: _measured(item) for name, item in trace.file[GROUP].items()}


def rows_of_trace(trace: Trace) -> list[Row]:
    """Return the rows of the runs of a study that are over, in the order of the runs; none in older files."""
    with reading(trace.path):
        return read_rows_of(trace.file)


def _written(
    path: Path | None, scenario: Scenario, attributes: Attributes, results: Results, rows: Sequence[Row]
) -> Any:
    network = build_network(scenario)
    layout = Layout(
        clock="step",
        layer_names=network.layer_names,
        unit_shapes=network.layer_shapes,
        input_shape=network.input_shape,
        samples=0,
        record=frozenset(),
        dtype=np.dtype(np.float64),
        rows=0,
    )
    provenance = {"scenario": scenario_text(scenario), "command": " ".join(sys.argv), **describe_machine()}
    file = start_file(path, with_own_attributes(Beginning(layout, attributes, {}, {}, provenance)))
    with abandoned_on_error(file):
        group = file.create_group(GROUP)
        for name, measured in results.items():
            _create(group, name, measured)
        for name, measured in results.items():
            for axis, dimension in enumerate(measured.dims if measured.dims != (name,) else ()):
                group[name].dims[axis].attach_scale(_scale(group, dimension, measured.values.shape[axis]))
        if rows:
            write_rows(file, rows)
    return file


def _create(group: Any, name: str, measured: Measured) -> None:
    texts = measured.values.dtype.kind in "UO"
    made = group.create_dataset(
        name,
        data=[str(text) for text in measured.values.flat] if texts and measured.values.ndim == 1 else measured.values,
        dtype=h5py.string_dtype() if texts else None,
    )
    if measured.dims == (name,):
        made.make_scale(name)
    words = {"long_name": measured.meaning, "units": measured.unit, "source": measured.source}
    write_attributes(made, {key: word for key, word in words.items() if word})


def _scale(group: Any, dimension: str, length: int) -> Any:
    if dimension not in group:
        first = int(dimension in FROM_ONE)
        group.create_dataset(dimension, data=np.arange(first, first + length)).make_scale(dimension)
    return group[dimension]


def _measured(item: Any) -> Measured:
    own = item.name.rpartition("/")[2]
    dims = (own,) if is_scale(item) else tuple(_dimension(own, i, axis) for i, axis in enumerate(scales_of(item)))
    is_text = h5py.check_string_dtype(item.dtype) is not None
    values = np.array(texts(item)) if is_text else np.asarray(item[()])
    meaning, unit, source = (str(read_attribute(item, name) or "") for name in ("long_name", "units", "source"))
    return Measured(values, dims, meaning, unit, source)


def _dimension(own: str, axis: int, scales: Sequence[Any]) -> str:
    """Return the name of an axis, one of its own where the file names none."""
    return str(scales[0].name).rpartition("/")[2] if len(scales) else f"{own}_{axis}"
