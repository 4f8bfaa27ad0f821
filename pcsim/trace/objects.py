"""HDF5 objects of a trace: scales, arrays with named dimensions, attributes, and a faithful copy of all."""

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pcsim.trace.layout import Dimensions, streams
from pcsim.trace.rows import clock_of, grows
from pcsim.trace.stream import Stream

NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable."
"""How netCDF-4 marks a scale that only has a length: tools then show a dimension and no array."""

SLAB_BYTES = 8 * 1024 * 1024
_MEANINGS = {
    "energy": "layerwise energy, mean over the batch",
    "grad_norm": "norm of the gradient of the moving variable, mean over the batch",
    "energy_per_sample": "layerwise energy of each sample",
    "arrival_step": "steps after which a non-zero error was first seen, -1 if never",
    "arrival_time": "first recorded time with a non-zero error, NaN if never",
    "solver/steps": "steps the solver took",
    "solver/rejected": "steps the solver rejected and took again, smaller",
    "solver/evaluations": "evaluations of the vector field",
    "equilibrium/residual": "norm of the gradient over all errors at the end",
    "equilibrium/energy": "energy of the sample at the end, that of the activity decay included",
    "equilibrium/evaluations": "evaluations of energy and gradient, or what costs as much",
    "equilibrium/converged": "1 where the residual is at the threshold, else 0",
    "equilibrium/stalled": "1 where nothing lowered the energy any more before that, else 0",
    "equilibrium/smallest_eigenvalue": "smallest eigenvalue of the energy's Hessian over the errors",
    "equilibrium/minimum": "1 where the sample converged and that eigenvalue is positive, else 0",
    "training/energy": "layerwise energy at the end of inference, mean over the batch of the update",
    "training/loss": "loss of the update's batch, mean over the samples",
    "training/steps": "steps of inference that the update took",
    "training/train_top5": "share of training samples whose class is among the five largest outputs",
    "training/test_top5": "share of test samples whose class is among the five largest outputs",
    "training/validation_top5": "share of validation samples whose class is among the five largest outputs",
    "training/cosine": "cosine between the weight gradient and that of backpropagation, first update of the epoch",
    "training/norm_ratio": "norm of the weight gradient over that of backpropagation, first update of the epoch",
    "training/update_ratio": "norm of the weights' change over that of the weights, first update of the epoch",
    "training/wall_seconds": "seconds of training by the end of the epoch",
}
_SCALE_ATTRIBUTES = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST"}


def write_attributes(target: Any, attributes: Mapping[str, str | int | float]) -> None:
    """Set attributes; text becomes UTF-8 of any length, characters that HDF5 cannot hold are escaped."""
    for name, value in attributes.items():
        if isinstance(value, str):
            clean = value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
            target.attrs.create(name, clean, dtype=h5py.string_dtype())
        else:
            target.attrs[name] = value


def write_scales(file: Any, dimensions: Dimensions) -> None:
    """Make the dimensions all arrays share, and the layers' names and widths along `layer`."""
    layout = dimensions.layout
    file.create_dataset("layer", data=np.arange(len(layout.layer_names))).make_scale("layer")
    for name, size in dimensions.sizes.items():
        _length_only(file, name, size)
    widths = np.array([np.prod(shape, dtype=np.int64) for shape in layout.unit_shapes], dtype=np.int64)
    file.create_dataset("layer_name", data=list(layout.layer_names), dtype=h5py.string_dtype())
    file.create_dataset("layer_width", data=widths)
    for name in ("layer_name", "layer_width"):
        file[name].dims[0].attach_scale(file["layer"])


def write_streams(file: Any, dimensions: Dimensions) -> None:
    """Make the datasets that grow; a row not yet written reads NaN, in an integer clock -1."""
    growing = streams(dimensions.layout)
    for stream in reversed(growing):  # a clock first: the others refer to it
        _grow(file, stream)


def _grow(file: Any, stream: Stream) -> None:
    fill = -1 if stream.dtype.kind == "i" else np.nan
    made = file.create_dataset(
        stream.path,
        shape=(0, *stream.shape),
        maxshape=(None, *stream.shape),
        chunks=stream.chunk,
        dtype=stream.dtype,
        fillvalue=fill,
    )
    if stream.path == stream.clock:
        made.make_scale(stream.path.rpartition("/")[2])
        return
    _describe(file, made, stream.path, stream.dimensions)


def write_arrays(file: Any, dimensions: Dimensions, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write whole arrays at their paths below the root, every axis named."""
    for path, values in arrays.items():
        made = file.create_dataset(path, data=values)
        names = dimensions.names(path, made.shape)
        for name, size in zip(names, made.shape, strict=True):
            if name not in file:
                _length_only(file, name, size)
        _describe(file, made, path, names)


def _describe(file: Any, made: Any, path: str, names: tuple[str, ...]) -> None:
    for axis, name in enumerate(names):
        made.dims[axis].attach_scale(file[name])
    if path in _MEANINGS:
        write_attributes(made, {"long_name": _MEANINGS[path]})
    if "layer" in names:
        write_attributes(made, {"coordinates": "layer_name layer_width"})


def _length_only(file: Any, name: str, size: int) -> None:
    file.create_dataset(name, shape=(size,), dtype=">f4").make_scale(f"{NO_VARIABLE}{size:>11d}")


def copy_objects(source: Any, target: Any, rows: Mapping[str, int]) -> dict[str, int]:
    """Copy a trace with its attributes and scales, growing datasets cut to their clock's rows; return the cuts.

    HDF5's own copy of one object does not carry dimension scales over, and of a whole file cannot cut rows.
    """
    cut: dict[str, int] = {}
    found: list[Any] = []

    def copy(name: str, item: Any) -> None:
        if isinstance(item, h5py.Group):
            made = target.require_group(name)
        else:
            found.append(item)
            kept = _kept(item, rows)
            if kept is not None and item.shape[0] > kept:
                cut[name] = item.shape[0] - kept
            made = _copy_dataset(item, target, name, kept)
        copy_attributes(item, made)

    copy_attributes(source, target)
    source.visititems(copy)
    for item in found:
        for axis, dimension in enumerate(item.dims):
            for scale in dimension.values():
                target[item.name].dims[axis].attach_scale(target[scale.name])
    return cut


def copy_attributes(source: Any, target: Any) -> None:
    """Copy attributes, those apart that bind dimension scales: HDF5 makes them anew."""
    for name in set(source.attrs) - _SCALE_ATTRIBUTES:
        target.attrs[name] = source.attrs[name]


def _kept(item: Any, rows: Mapping[str, int]) -> int | None:
    """Return how many rows of a growing dataset are copied; None for one that does not grow."""
    return min(rows.get(clock_of(item), item.shape[0]), item.shape[0]) if grows(item) else None


def _copy_dataset(item: Any, target: Any, name: str, kept: int | None) -> Any:
    shape, options = item.shape, {}
    if kept is not None:
        shape = (kept, *item.shape[1:])
        chunks = (min(item.chunks[0], max(1, shape[0])), *item.chunks[1:])
        options = {"maxshape": item.maxshape, "chunks": chunks, "fillvalue": item.fillvalue}
    made = target.create_dataset(name, shape=shape, dtype=item.dtype, **options)
    label = item.attrs.get("NAME", b"")
    label = label.decode() if isinstance(label, bytes) else str(label)
    if item.is_scale:
        made.make_scale(label)
    if label.startswith(NO_VARIABLE):
        return made
    if not shape:
        made[()] = item[()]
        return made
    step = max(1, SLAB_BYTES // max(1, item.nbytes // max(1, item.shape[0])))
    for start in range(0, shape[0], step):
        made[start : start + step] = item[start : min(start + step, shape[0])]
    return made
