"""Dimension scales of files that may come from anywhere: HDF5's own questions crash on marks of other types."""

from typing import Any

import numpy as np
from h5py import h5a, h5t  # pyright: ignore[reportAttributeAccessIssue]

_LIST = b"DIMENSION_LIST"
_MARK = b"CLASS"
_SCALE = b"DIMENSION_SCALE"


def is_scale(item: Any) -> bool:
    """Tell whether a dataset is a dimension scale."""
    if not h5a.exists(item.id, _MARK):
        return False
    mark = h5a.open(item.id, _MARK)
    return mark.shape == () and mark.dtype.kind == "S" and mark.dtype.itemsize < 64 and _held(mark) == _SCALE


def scales_of(item: Any) -> list[list[Any]]:
    """Return the scales of every axis of a dataset; ValueError where they are not written as HDF5 writes them."""
    if not h5a.exists(item.id, _LIST):
        return [[] for _ in item.shape]
    listed = h5a.open(item.id, _LIST)
    kind = listed.get_type()
    references = kind.get_class() == h5t.VLEN and kind.get_super().get_class() == h5t.REFERENCE
    if not references or listed.shape != (len(item.shape),):
        raise ValueError(f"DIMENSION_LIST of {item.name}")
    return [list(dimension.values()) for dimension in item.dims]


def _held(mark: Any) -> Any:
    held = np.empty((), mark.dtype)
    mark.read(held)
    return held.item()
