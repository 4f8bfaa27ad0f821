"""From a trace to a weights file, and to text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ml_dtypes import bfloat16

from pcsim.assemble import build_network
from pcsim.errors import UsageError
from pcsim.model.arithmetic import dtype_of
from pcsim.recorded.embedded import of_trace
from pcsim.recorded.network import called, checked, parameters_of, precision_of, scenario_text_of
from pcsim.runs.checkpoint import Checkpoint, checkpoint_of, checkpoint_path
from pcsim.scenario import GivenNetwork
from pcsim.trace import Trace
from pcsim.trace.atomic import replacing
from pcsim.trace.columns import columns_of, csv_path, write_csv
from pcsim.trace.files import check_target
from pcsim.trace.tables import BY_ROW
from pcsim.trace.training import GROUP
from pcsim.typing import NDArray
from pcsim.weights import write_weights
from pcsim.weights.layout import TORCH, to_torch


def export_weights(
    trace: Trace,
    path: str | Path,
    *,
    layout: Literal["pcsim", "torch"] = "pcsim",
    force: bool = False,
    allow: str | Sequence[str] = (),
    network: GivenNetwork | None = None,
) -> str | None:
    """Write the parameters in a trace, after training where there was any, to a `.npz` or `.safetensors` file.

    They have the type of the run (bfloat16 is float32 in `.npz`, which has no such type) and bring their scenario
    along. With the `layout` "torch" matrices are (out, in), kernels (out, in, k, k), and images flattened channels
    first; the file says so, and is read accordingly; only for that a network that is code of a user's own is needed, by
    `allow` and `network` as in `verify`. Where training was killed they are those of its last checkpoint.
    Returns a sentence on what they are where training did not come to its end. Raises `UsageError` for a trace without
    them or with entries that are not finite, for a file of another kind, and for one that exists, unless `force` is
    given; `RunFailed` where the disk takes no more.
    """
    kept = _checkpoint(trace)
    parameters = parameters_of(trace) if kept is None else _in_checkpoint(kept, trace)
    embedded = of_trace(trace, allow=allow, network=network)
    texts = dict(embedded.beside)
    if layout == TORCH:
        built, texts["layout"] = build_network(embedded.parse()), TORCH
        parameters = {
            f"{name}_{i}": to_torch(built, name, i, parameters[f"{name}_{i}"]) for name, i, _ in built.parameter_names
        }
    write_weights(Path(path), parameters, texts, force=force)
    if GROUP not in trace or trace.status == "complete":
        return None
    note = f"training did not come to its end (status {trace.status})"
    if kept is None:
        return note
    return f"{note}: these are the weights of the last checkpoint, after epoch {kept.numbers['epoch']}"


def export_rows(trace: Trace, path: str | Path, *, force: bool = False) -> tuple[Path, ...]:
    """Write the rows of a trace as CSV, a file a clock: for `run.csv` `run-step.csv`, `run-epoch.csv` and so on.

    Returns where they are. Columns are the clock and what has no samples and no units, layer by layer (`energy layer
    0`, …). Raises `UsageError` for a trace without rows, and for a file that exists, unless `force` is given.
    """
    if "study" in trace.attributes:
        raise UsageError(
            f"{called(trace)} is of a study, without rows of a run; pcsim.studies.results_of(trace) has its results"
        )
    written: list[tuple[Path, str, dict[str, NDArray[Any]]]] = []
    for clock, rows in _rows_by_clock(trace).items():
        if len(rows[clock]):
            written.append((check_target(csv_path(Path(path), clock), force), clock, rows))
    if not written:
        raise UsageError(f"{called(trace)} (status {trace.status}) holds no rows")
    for target, clock, rows in written:
        with replacing(target, new=not force) as temporary, temporary.open("x", newline="", encoding="utf-8") as file:
            write_csv(file, clock, columns_of(rows, trace.layer_names), head=True)
    return tuple(target for target, *_ in written)


def _rows_by_clock(trace: Trace) -> dict[str, dict[str, NDArray[Any]]]:
    found = {trace.clock: {name: trace.array(name) for name in (trace.clock, *BY_ROW) if name in trace}}
    along = {clock: trace.training.rows_along(clock) for clock in ("update", "epoch", "evaluation")}
    return found | {clock: rows for clock, rows in along.items() if rows}


def _checkpoint(trace: Trace) -> Checkpoint | None:
    """Return what is beside a trace of training without an end; `UsageError` for another scenario's."""
    if trace.path is None or GROUP not in trace or "final/network" in trace:
        return None
    path = checkpoint_path(trace.path)
    if not path.exists():
        return None
    found = checkpoint_of(trace.path, trace.attributes)
    if found.origin.scenario != scenario_text_of(trace):
        raise UsageError(f"{path} is of another scenario than {called(trace)}; go on with pcsim run … --resume")
    return found


def _in_checkpoint(kept: Checkpoint, trace: Trace) -> dict[str, NDArray[np.generic]]:
    # What numpy has no name for is stored as unsigned integers.
    whole = {path: array.view(bfloat16) if array.dtype.kind == "u" else array for path, array in kept.arrays.items()}
    dtype, group = dtype_of(precision_of(trace)), "parameters/"
    found = {path.removeprefix(group): array for path, array in whole.items() if path.startswith(group)}
    return {name: checked(trace, name, array.astype(np.float64)).astype(dtype) for name, array in found.items()}
