"""Reading a network's parameters from a file or a trace: arrays W0, b0, W1, … as (n_in, n_out) and (n_out,)."""

import warnings
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from pcsim.datasets.archive import check_present, read_arrays
from pcsim.errors import PcsimWarning, UsageError
from pcsim.model.network import PRECISION, Network
from pcsim.trace import open_trace
from pcsim.trace.opening import is_hdf5
from pcsim.trace.training import GROUP
from pcsim.typing import NDArray
from pcsim.weights.files import embedded_texts
from pcsim.weights.layout import PCSIM, TORCH, all_square, from_torch, torch_shape
from pcsim.weights.tensors import SUFFIX, read_tensors

_OF_PARTS = ("W", "b", "gamma", "beta", "mean", "variance")
_KNOWN = (*_OF_PARTS, *(f"S{name}" for name in _OF_PARTS), PRECISION)
"""Names of arrays that belong to some network; those of an amortiser and of top-down predictions are left behind where
there are none."""


def read_parameters(
    path: Path, network: Network, layout: str | None = None
) -> tuple[dict[str, NDArray[np.float64]], ...]:
    """Return the parameters of every layer in float64, from an `.npz` or a `.safetensors` file, or from a trace.

    Those of a trace are as they were after training, where there was any. With the `layout` "torch" matrices are (out,
    in) and kernels (out, in, k, k); what a file of pcsim says of itself goes before, and where nothing is said pcsim's
    order counts.

    Raises `UsageError` if the file cannot be read, or if an array is missing, not foreseen by the network, of the
    wrong shape, not numeric or not finite.
    """
    expected = {f"{name}{i}": shape for name, i, shape in network.parameter_names}
    texts = {} if is_hdf5(path) else embedded_texts(path)
    # What pcsim wrote says itself how it lies, whatever the scenario says of other programs' files.
    own = texts.get("layout") or (PCSIM if is_hdf5(path) or "scenario" in texts else None)
    said = own or layout
    if said == TORCH:
        expected = {f"{name}{i}": torch_shape(name, shape) for name, i, shape in network.parameter_names}
    count = len(network.layers)
    foreign = [f"{name}{i}" for name in _KNOWN for i in range(count + 1) if f"{name}{i}" not in expected]
    read, kind = (read_tensors, "a .safetensors") if path.suffix == SUFFIX else (read_arrays, "an .npz")
    needed = f"{kind} file with the arrays {', '.join(list(expected)[:3])}, … of this network"
    if all("b" in parameters for parameters in network.parameters):
        needed += " (without biases: network.bias = false)"

    def check(name: str, shape: tuple[int, ...]) -> None:
        if name in expected:
            _check_shape(path, name, shape, expected[name])

    if is_hdf5(path):
        arrays = _in_trace(path, list(expected))
        for name, array in arrays.items():
            check(name, array.shape)
    else:
        arrays = read(path, list(expected), foreign, needed, check)
    for name in foreign:
        if name in arrays:
            raise UsageError(f"{path}: array {name} has no place in this network; {_fix(name, network)}")
    checked = {name: _checked(path, name, arrays[name]) for name in expected}
    if said is None and all_square(expected) and any((a != a.T).any() for a in checked.values() if a.ndim == 2):
        warnings.warn(
            f"{path}: all matrices are square, and taken as (in, out); where they are PyTorch's, (out, in), say "
            'network.layout = "torch"',
            PcsimWarning,
            stacklevel=2,
        )

    def in_order(name: str, i: int) -> NDArray[np.float64]:
        array = checked[f"{name}{i}"]
        return from_torch(network, name, i, array) if said == TORCH else array

    return tuple({name: in_order(name, i) for name in parameters} for i, parameters in enumerate(network.parameters))


def _in_trace(path: Path, required: list[str]) -> dict[str, NDArray[Any]]:
    with open_trace(path) as trace:
        if GROUP in trace and not trace.trained:
            raise UsageError(
                f"{path} (status {trace.status}) holds no trained parameters; pcsim export writes those of its last "
                "checkpoint"
            )
        found = trace.trained or trace.network
    arrays = {"".join(name.rsplit("_", 1)): array for name, array in found.items()}
    check_present(path, list(arrays), required, f"a trace with {', '.join(required[:3])}, … of this network")
    return arrays


def _fix(name: str, network: Network) -> str:
    kind, number = name.rstrip("0123456789"), name[len(name.rstrip("0123456789")) :]
    if number == str(len(network.layers)):
        return f"the network has {number} layers"
    if kind.startswith("S"):
        return f"layer {number} adds no state by a convolution: give it add = {{ back = 2, conv = …, kernel = … }}"
    if kind == "b" and "gamma" in network.parameters[int(number)]:
        return f"layer {number} has a norm, and beside it no bias: leave it out, or write bias = true in that layer"
    if kind == "b":
        return "the network has no biases: set network.bias = true"
    return f'layer {number} has no norm: write norm = "batch"'


def _check_shape(path: Path, name: str, shape: tuple[int, ...], needed: tuple[int, ...]) -> None:
    if shape != needed:
        hint = "; fit [network] or the file"
        if shape == needed[::-1] and len(needed) == 2:
            hint = '; transpose it: rows are inputs, columns are outputs (or say network.layout = "torch")'
        if len(needed) == 4 and shape == (needed[3], needed[2], needed[0], needed[1]):
            hint = "; transpose it from PyTorch's order (out, in, k, k) to (k, k, in, out): array.transpose(2, 3, 1, 0)"
        raise UsageError(f"{path}: array {name} has shape {shape}, this network needs {needed}{hint}")


def _checked(path: Path, name: str, array: NDArray[np.generic]) -> NDArray[np.float64]:
    # ml_dtypes' bfloat16 is of no kind that numpy knows
    if array.dtype.kind not in "fiu" and array.dtype != ml_dtypes.bfloat16:
        raise UsageError(f"{path}: array {name} holds {array.dtype}, expected real numbers")
    with np.errstate(over="ignore"):  # of a long double
        values = array.astype(np.float64)
    if not np.isfinite(values).all():
        raise UsageError(f"{path}: array {name} has NaN or infinite entries")
    if "variance" in name and (values < 0).any():
        raise UsageError(f"{path}: array {name} has entries below zero, as no variance has")
    return values
