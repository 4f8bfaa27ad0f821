"""Traces as tables of other packages, which are imported when asked: xarray's data sets, and frames of pandas."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pcsim.errors import UsageError
from pcsim.trace.columns import columns_of
from pcsim.trace.scales import scales_of
from pcsim.typing import NDArray
from pcsim.words import Shown, count

CLOCKS = ("step", "time", "update", "epoch", "evaluation")
BY_ROW = ("energy", "energy_bound", "grad_norm")


class _Readable(Protocol):
    """What is used of a trace."""

    path: Path | None
    file: Any
    clock: str
    rows: int
    layer_names: tuple[str, ...]
    attributes: Any

    @property
    def status(self) -> str: ...

    def array(self, path: str) -> NDArray[Any]: ...

    def __contains__(self, path: str) -> bool: ...


class Tabled(Shown):
    """A trace that says what it is, and that other packages' tables can be made of."""

    def __repr__(self: _Readable) -> str:
        where, attributes = self.path or "in memory", self.attributes
        if not self.file:
            return f"<Trace {where}: closed>"
        what = f"study {attributes['study']}" if "study" in attributes else attributes.get("method", "a run")
        far = f"{count(len(self.layer_names), 'layer')}, {count(self.rows, 'row')}"
        return f"<Trace {where}: {what}, {far}, {self.status}>"

    def to_xarray(self: _Readable, group: str = "") -> Any:
        """Return what the trace holds in its root, or in a group such as "training", as an `xarray.Dataset`.

        Dimensions are those of the file: `step` or `time`, `layer`, `sample`, …; `layer_name` is a coordinate. Raises
        `UsageError` for a group that is not there, and where xarray is not installed.
        """
        xarray = required("xarray")
        if group and group not in self:
            raise UsageError(f"{self.path or 'the trace'} holds no group {group}")
        # Asked before the file is: a closed trace says so.
        found = self.file[group or "/"] if "layer_name" in self else {}
        named = {name: f"{group}/{name}".lstrip("/") for name in found if hasattr(found[name], "dims")}
        values = {name: self.array(path) for name, path in named.items() if _has_values(found[name])}
        variables = {name: (_dimensions(found[name], name), array) for name, array in values.items()}
        coordinates: dict[str, Any] = {"layer_name": ("layer", np.array(self.layer_names))}
        coordinates |= {name: variables.pop(name) for name in CLOCKS if name in variables}
        return xarray.Dataset(variables, coordinates, dict(self.attributes))

    def to_dataframe(self: _Readable) -> Any:
        """Return rows of inference as a `pandas.DataFrame` by step or time: columns (name, layer name).

        `frame["energy"]` is the frame of energies, a column a layer. Raises `UsageError` for a trace without such rows,
        and where pandas is not installed.
        """
        if "study" in self.attributes:
            raise UsageError(
                f"{self.path or 'the trace'} is of a study, without rows of inference; "
                "pcsim.studies.results_of(trace) has its results"
            )
        rows = {name: self.array(name) for name in (self.clock, *BY_ROW) if name in self}
        return frame_of(rows, self.clock, self.layer_names)


def frame_of(rows: Mapping[str, NDArray[Any]], clock: str, layers: Sequence[str]) -> Any:
    """Return rows along a clock as a `pandas.DataFrame`, (name, layer name) its columns."""
    pandas = required("pandas")
    columns = columns_of(rows, layers)
    index = pandas.Index(columns.pop((clock, "")), name=clock)
    heads = pandas.MultiIndex.from_tuples(list(columns), names=("quantity", "layer"))
    return pandas.DataFrame(dict(zip(heads, columns.values(), strict=True)), index=index, columns=heads)


def required(package: str) -> Any:
    """Import a package that pcsim does without; raises `UsageError` where it is missing."""
    try:
        return import_module(package)
    except ImportError:
        raise UsageError(
            f"this needs {package}, which is missing; install it with: pip install 'pcsim[notebook]'"
        ) from None


def _has_values(item: Any) -> bool:
    """Tell whether a dataset is more than the name of a dimension, or a text."""
    named_only = item.attrs.get("NAME", b"").startswith(b"This is a netCDF dimension but not a netCDF variable")
    return item.dtype.kind in "fiub" and not named_only


def _dimensions(item: Any, name: str) -> tuple[str, ...]:
    own = [scales[0].name.rpartition("/")[2] if scales else "" for scales in scales_of(item)]
    return tuple(found or (name if axis == 0 else f"{name}_{axis}") for axis, found in enumerate(own))
