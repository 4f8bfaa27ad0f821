"""Mutations of traces that HDF5 itself makes: links, sizes, types and numbers that no run of pcsim writes."""

import random
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fuzzing.data import EXTREMES, WORDS
from fuzzing.texts import mutated


def craft(draw: random.Random, path: Path) -> None:
    """Change some objects of a trace; what HDF5 or h5py refuses to make is left as it was."""
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        own = random.Random(draw.random())  # what fails leaves the draws to come as they are
        try:
            with warnings.catch_warnings(action="ignore"), h5py.File(path, "r+") as file:
                own.choice(_CHANGES)(own, file)
        except Exception:
            pass


def _names(file: Any) -> list[str]:
    found: list[str] = []
    file.visit(found.append)
    return found


def _some(draw: random.Random, file: Any) -> str:
    return draw.choice([name for name in _names(file) if isinstance(file[name], h5py.Dataset)])


def _link(draw: random.Random, file: Any) -> None:
    name = draw.choice(_names(file))
    kinds: tuple[Any, ...] = (
        h5py.ExternalLink("secret.h5", "x"),
        h5py.ExternalLink("pipe", "/"),
        h5py.SoftLink("/"),
        h5py.SoftLink(f"/{name}"),
        h5py.SoftLink("nowhere"),
        file["/"],
        file[draw.choice(_names(file))],
        np.dtype("f8"),
    )
    if draw.random() < 0.7:
        del file[name]
    else:
        name += "_more"
    file[name] = draw.choice(kinds)


def _shape(draw: random.Random, file: Any) -> None:
    name = _some(draw, file)
    old = file[name]
    shape = tuple(draw.choice((n, n, n + 1, 0, 1, *EXTREMES[-8:])) for n in old.shape) or (3,)
    options = draw.choice(
        ({}, {"chunks": True}, {"chunks": True, "compression": "gzip"}, {"maxshape": (None,) * len(shape)})
    )
    kind = old.dtype
    del file[name]
    file.create_dataset(name, shape, kind, **options)


def _type(draw: random.Random, file: Any) -> None:
    name = _some(draw, file)
    shape = file[name].shape
    kinds = ("f4", "i1", "u8", "c16", "S5", "f2", "?", [("a", "f8"), ("b", "i4")], h5py.string_dtype(), h5py.ref_dtype)
    kind = draw.choice((*kinds, h5py.vlen_dtype(np.dtype("f8")), h5py.opaque_dtype(np.dtype("M8[s]"))))
    del file[name]
    file.create_dataset(name, shape, kind)


def _values(draw: random.Random, file: Any) -> None:
    name = draw.choice(
        ("step", "time", "energy", "layer_width", "training/update", "training/epoch", _some(draw, file))
    )
    item = file[name]
    values = item[()]
    match draw.randrange(5):
        case 0:
            item[...] = values[::-1]
        case 1:
            item[...] = draw.choice((np.nan, np.inf, -1, 0, 2**40, 2**62, 1e300))
        case 2:
            item[(0,) * len(item.shape)] = draw.choice((np.nan, -np.inf, -5, 2**62))
        case 3:
            item[(-1,) * len(item.shape)] = draw.choice((np.nan, np.inf, 2**40, 2**62, -1))
        case _:
            item.resize(draw.choice((0, 1, 2**20, 2**40)), axis=0)


def _attribute(draw: random.Random, file: Any) -> None:
    owner = draw.choice((file, file, file["provenance"], file[_some(draw, file)]))
    name = draw.choice(
        (*owner.attrs, "DIMENSION_LIST", "CLASS", "NAME", "REFERENCE_LIST", "shared_in", "step_size", "study")
    )
    values: tuple[Any, ...] = (
        *WORDS,
        *EXTREMES,
        -1,
        np.nan,
        np.inf,
        np.zeros(3),
        ["a", "b"],
        h5py.Empty("f8"),
        np.arange(99),
    )
    value = draw.choice(values)
    owner.attrs[name] = value if isinstance(value, str | list | np.ndarray | h5py.Empty) else np.asarray(value)


def _scenario(draw: random.Random, file: Any) -> None:
    attributes = file["provenance"].attrs
    attributes["scenario"] = mutated(draw, attributes["scenario"])


def _remove(draw: random.Random, file: Any) -> None:
    del file[draw.choice(_names(file))]


def _many(draw: random.Random, file: Any) -> None:
    name = _some(draw, file)
    for number in range(draw.choice((5, 500))):
        file[f"{name}{number}"] = file[name]


def _other_file(draw: random.Random, file: Any) -> None:
    name = _some(draw, file)
    shape, kind = file[name].shape, file[name].dtype
    del file[name]
    if draw.random() < 0.5:
        file.create_dataset(name, shape, kind, external=[("secret.h5", 0, h5py.h5f.UNLIMITED)])
        return
    made = h5py.VirtualLayout(shape, kind)
    made[...] = h5py.VirtualSource("secret.h5", "x", shape)
    file.create_virtual_dataset(name, made)


def _running(draw: random.Random, file: Any) -> None:
    file.attrs.update(
        status="running", writer_host=draw.choice(("elsewhere", "")), writer_pid=draw.choice((0, 1, 2**62))
    )


_CHANGES = (_link, _shape, _type, _values, _attribute, _attribute, _scenario, _remove, _many, _other_file, _running)
