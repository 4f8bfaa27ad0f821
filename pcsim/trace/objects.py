"""HDF5 objects of a trace: scales, arrays with named dimensions, attributes, and a faithful copy of all.

They are made by HDF5's own calls: a small run makes a hundred objects, and h5py's convenience costs more time than
HDF5 takes.
"""

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5ds, h5i, h5o, h5p, h5s, h5t  # pyright: ignore[reportAttributeAccessIssue]

from pcsim.trace.layout import Dimensions, Layout, streams
from pcsim.trace.rows import clock_of, grows
from pcsim.trace.scales import is_scale, scales_of
from pcsim.trace.stream import Stream
from pcsim.typing import NDArray

NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable."
"""How netCDF-4 marks a scale that only has a length: tools then show a dimension and no array."""

SLAB_BYTES = 8 * 1024 * 1024
_MEANINGS = {
    "energy": "layerwise energy, mean over the batch",
    "grad_norm": "norm of the gradient of the moving variable, mean over the batch",
    "energy_per_sample": "layerwise energy of each sample",
    "arrival_step": "steps after which a non-zero error was first seen, -1 if never",
    "arrival_per_sample": "first recorded step with a non-zero energy of the layer for this sample, -1 if never",
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


_TEXT = h5py.string_dtype()
_SCALAR = h5s.create(h5s.SCALAR)
_IN_GROUPS: Any = h5p.create(h5p.LINK_CREATE)
_IN_GROUPS.set_create_intermediate_group(True)
_FIXED: Any = h5p.create(h5p.DATASET_CREATE)
_FIXED.set_obj_track_times(False)


def write_attributes(target: Any, attributes: Mapping[str, str | int | float]) -> None:
    """Set attributes; text becomes UTF-8 of any length, characters that HDF5 cannot hold are escaped."""
    for name, value in attributes.items():
        array = np.asarray(value)
        if isinstance(value, str):
            clean = value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
            array = np.array(clean, dtype=_TEXT)
        if h5a.exists(target.id, name.encode()):
            h5a.delete(target.id, name.encode())
        h5a.create(target.id, name.encode(), h5t.py_create(array.dtype, logical=True), _SCALAR).write(array)


def read_attributes(source: Any) -> dict[str, Any]:
    """Return attributes of one value as plain numbers and text; ValueError where they claim more than there is."""
    every = [h5a.open(source.id, index=index) for index in range(h5a.get_num_attrs(source.id))]
    left = _length(source)
    found: dict[str, Any] = {}
    for attribute in every:
        name = attribute.name.decode()
        value = _value(attribute)
        if value is not None:
            found[name] = value
        left -= len(value) if isinstance(value, str) else 0
        if left < 0:  # each text may be as long as the file: the same one under many names
            raise ValueError(f"attribute {name}")
    return found


def read_attribute(source: Any, name: str) -> Any:
    """Return one attribute as a plain value, None where there is none."""
    if not h5a.exists(source.id, name.encode()):
        return None
    return _value(h5a.open(source.id, name.encode()))


def _value(attribute: Any) -> Any:
    """Return the value of an attribute, None where it has not got just one: pcsim's all have."""
    if attribute.shape is None or prod(attribute.shape) != 1:
        return None
    held = np.empty(attribute.shape, attribute.dtype)
    attribute.read(held)
    value: Any = held.item()
    return value.decode("utf-8", "surrogateescape") if held.dtype.kind == "O" else value


def _check_claim(source: Any, attribute: Any) -> None:
    """Raise ValueError for an attribute of many values that may take more memory than the file is long."""
    count = prod(attribute.shape)
    each = 1 if count == 1 else _length(source) if attribute.dtype.kind == "O" else attribute.dtype.itemsize
    if count * each > _length(source):
        raise ValueError(f"attribute {attribute.name.decode()}")


def _length(source: Any) -> int:
    return h5i.get_file_id(source.id).get_filesize()


class Objects:
    """Makes the objects of a trace, every axis of an array with its dimension scale."""

    def __init__(self, file: Any, layout: Layout) -> None:
        self._file = file
        self._layout = layout
        self._dimensions = Dimensions(layout)
        self._scales: dict[str, Any] = {}

    def write_scales(self) -> None:
        """Make the dimensions all arrays share, and the layers' names and widths along `layer`."""
        layout = self._layout
        self._make_scale("layer", _write(self._file, "layer", np.arange(len(layout.layer_names))), "layer")
        for name, size in self._dimensions.sizes.items():
            self._scale(name, size)
        widths = np.array([np.prod(shape, dtype=np.int64) for shape in layout.unit_shapes], dtype=np.int64)
        for name, values in (("layer_name", np.array(layout.layer_names, dtype=_TEXT)), ("layer_width", widths)):
            self._attach(_write(self._file, name, values), ("layer",), values.shape)

    def write_streams(self) -> None:
        """Make the datasets that grow; a row not yet written reads NaN, in an integer clock -1."""
        for stream in reversed(streams(self._layout)):  # a clock first: the others refer to it
            made = _grow(self._file, stream)
            if stream.path == stream.clock:
                self._make_scale(stream.path, made, stream.path.rpartition("/")[2])
            else:
                self._describe(made, stream.path, stream.dimensions, made.shape)

    def write_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write whole arrays at their paths below the root, every axis named."""
        for path, values in arrays.items():
            made = _write(self._file, path, values)
            self._describe(made, path, self._dimensions.names(path, values.shape), values.shape)

    def _describe(self, made: Any, path: str, names: tuple[str, ...], shape: tuple[int, ...]) -> None:
        self._attach(made, names, shape)
        words = {
            "long_name": _MEANINGS.get(path),
            "coordinates": "layer_name layer_width" if "layer" in names else None,
        }
        write_attributes(h5py.Dataset(made), {name: word for name, word in words.items() if word is not None})

    def _attach(self, made: Any, names: tuple[str, ...], shape: tuple[int, ...]) -> None:
        for axis, (name, size) in enumerate(zip(names, shape, strict=True)):
            h5ds.attach_scale(made, self._scale(name, size), axis)

    def _scale(self, name: str, size: int) -> Any:
        """Return a scale, made where there is none of its name."""
        if name not in self._scales and name in self._file:
            self._scales[name] = h5d.open(self._file.id, name.encode())
        elif name not in self._scales:
            made = _create(self._file, name, np.dtype(">f4"), h5s.create_simple((size,)))
            self._make_scale(name, made, f"{NO_VARIABLE}{size:>11d}")
        return self._scales[name]

    def _make_scale(self, path: str, made: Any, label: str) -> None:
        h5ds.set_scale(made, label.encode())
        self._scales[path] = made


def _write(file: Any, path: str, values: NDArray[Any]) -> Any:
    made = _create(file, path, values.dtype, h5s.create_simple(values.shape))
    if values.size:
        made.write(h5s.ALL, h5s.ALL, np.ascontiguousarray(values).reshape(values.shape))
    return made


def _create(file: Any, path: str, dtype: np.dtype[Any], space: Any, properties: Any = None) -> Any:
    kind = h5t.py_create(dtype, logical=True)
    return h5d.create(file.id, path.encode(), kind, space, properties or _FIXED, _IN_GROUPS)


def _grow(file: Any, stream: Stream) -> Any:
    properties = _FIXED.copy()
    properties.set_chunk(stream.chunk)
    properties.set_fill_value(np.array(-1 if stream.dtype.kind == "i" else np.nan, dtype=stream.dtype))
    space = h5s.create_simple((0, *stream.shape), (h5s.UNLIMITED, *stream.shape))
    return _create(file, stream.path, stream.dtype, space, properties)


def copy_objects(source: Any, target: Any, rows: Mapping[str, int]) -> dict[str, int]:
    """Copy a trace with its attributes and scales, growing datasets cut to their clock's rows; return the cuts.

    HDF5's own copy of one object does not carry dimension scales over, and of a whole file cannot cut rows.
    """
    cut: dict[str, int] = {}
    found: dict[int, Any] = {}
    copy_attributes(source, target)
    for name, item in _objects(source):
        if isinstance(item, h5py.SoftLink):
            target[name] = h5py.SoftLink(item.path)
            continue
        address = h5o.get_info(item.id).addr
        if isinstance(item, h5py.Group):
            made = target.require_group(name)
        elif address in found:  # a second name
            target[name] = found[address]
            continue
        else:
            kept = _kept(name, item, rows)
            if kept is not None and item.shape[0] > kept:
                cut[name] = item.shape[0] - kept
            made = found[address] = _copy_dataset(item, target, name, kept)
        copy_attributes(item, made)
    for name, item in _objects(source):
        for axis, scales in enumerate(scales_of(item) if isinstance(item, h5py.Dataset) else ()):
            for scale in scales:
                # By its address: HDF5 would look for the name of what is referred to through the whole file.
                target[name].dims[axis].attach_scale(found[h5o.get_info(scale.id).addr])
    return cut


def _objects(file: Any) -> Iterator[tuple[str, Any]]:
    """Yield all objects of a file by their paths, those with several names under each, and its soft links."""
    paths: list[bytes] = []
    file.id.links.visit(paths.append)
    for path in map(bytes.decode, paths):
        link = file.get(path, getlink=True)
        yield path, link if isinstance(link, h5py.SoftLink) else file[path]


def copy_attributes(source: Any, target: Any) -> None:
    """Copy attributes, those apart that bind dimension scales: HDF5 makes them anew."""
    for name in set(source.attrs) - _SCALE_ATTRIBUTES:
        _check_claim(source, h5a.open(source.id, name.encode()))
        target.attrs[name] = source.attrs[name]


def _kept(path: str, item: Any, rows: Mapping[str, int]) -> int | None:
    """Return how many rows of the dataset at `path` are copied; None for one that does not grow."""
    clock = clock_of(path, "step" if "step" in rows else "time")
    return min(rows.get(clock, item.shape[0]), item.shape[0]) if grows(item) else None


def _copy_dataset(item: Any, target: Any, name: str, kept: int | None) -> Any:
    shape, options = item.shape, {}
    if kept is not None:
        shape = (kept, *item.shape[1:])
        chunks = (min(item.chunks[0], max(1, shape[0])), *item.chunks[1:])
        options = {"maxshape": item.maxshape, "chunks": chunks, "fillvalue": item.fillvalue}
    made = target.create_dataset(name, shape=shape, dtype=item.dtype, **options)
    label = item.attrs.get("NAME", b"")
    label = label.decode() if isinstance(label, bytes) else str(label)
    if is_scale(item):
        made.make_scale(label)
    if label.startswith(NO_VARIABLE):
        return made
    if not shape:
        made[()] = item[()]
        return made
    copy_rows(item, made, shape[0])
    return made


def copy_rows(source: Any, target: Any, rows: int) -> None:
    """Copy the first rows of a dataset into another one, some megabytes at a time."""
    step = max(1, SLAB_BYTES // max(1, source.nbytes // max(1, source.shape[0])))
    for start in range(0, rows, step):
        target[start : min(start + step, rows)] = source[start : min(start + step, rows)]
