"""Weights as PyTorch orders them: matrices (out, in), kernels (out, in, k, k), images flattened channels first."""

from typing import Any

import numpy as np

from pcsim.model.network import AMORTISER, Network
from pcsim.model.top_down import TOP_DOWN
from pcsim.typing import NDArray

PCSIM, TORCH = "pcsim", "torch"
MATRICES = ("W", "SW", AMORTISER + "W", TOP_DOWN + "W")


def to_torch(network: Network, name: str, layer: int, array: NDArray[Any]) -> NDArray[Any]:
    """Return a parameter of a layer in PyTorch's order; what is neither matrix nor kernel has the same in both."""
    if name not in MATRICES:
        return array
    if array.ndim == 4:
        return array.transpose(3, 2, 0, 1)
    images = _images(network, layer, array.shape[0])
    if images is None:
        return array.T
    height, width, channels = images
    return array.reshape(height, width, channels, -1).transpose(3, 2, 0, 1).reshape(-1, array.shape[0])


def from_torch(network: Network, name: str, layer: int, array: NDArray[Any]) -> NDArray[Any]:
    """Return a parameter in pcsim's order: (in, out), (k, k, in, out), images flattened as height, width, channels."""
    if name not in MATRICES:
        return array
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    images = _images(network, layer, array.shape[1])
    if images is None:
        return array.T
    height, width, channels = images
    return array.reshape(-1, channels, height, width).transpose(2, 3, 1, 0).reshape(array.shape[1], -1)


def torch_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape that a parameter of this one has in PyTorch's order."""
    if name not in MATRICES:
        return shape
    return (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else shape[::-1]


def all_square(shapes: dict[str, tuple[int, ...]]) -> bool:
    """Tell whether every matrix has as many rows as columns, so that no shape shows which are which."""
    matrices = [shape for shape in shapes.values() if len(shape) == 2]
    return bool(matrices) and all(rows == columns for rows, columns in matrices)


def _images(network: Network, layer: int, inputs: int) -> tuple[int, int, int] | None:
    """Return height, width and channels of the images that a matrix reads, None where it reads none."""
    source = network.layers[layer].branches[0].source
    shape = network.input_shape if source < 0 else network.layer_shapes[source]
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 and np.prod(shape) == inputs else None
