"""Parameters from a file: taken as they are, or refused in one line that says what does not fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pcsim.errors import UsageError
from pcsim.model.activations import Tanh
from pcsim.model.layers import BatchNorm, Branch, Chain, Dense, Layer
from pcsim.model.network import Network, dense_chain
from pcsim.weights import read_parameters

WIDTHS = (5, 4, 3)


def network(bias: bool = True) -> Network:
    return dense_chain(WIDTHS, Tanh(), bias=bias)


def arrays(dtype: str = "f8") -> dict[str, Any]:
    return {
        "W0": np.arange(20).reshape(5, 4).astype(dtype),
        "b0": np.arange(4).astype(dtype),
        "W1": np.arange(12).reshape(4, 3).astype(dtype),
        "b1": np.arange(3).astype(dtype),
    }


def refusal(path: Path, given: dict[str, Any], bias: bool = True) -> str:
    file = path / "w.npz"
    np.savez(file, **given)
    with pytest.raises(UsageError) as caught:
        read_parameters(file, network(bias))
    message = str(caught.value)
    assert message.startswith(f"{file}: ")
    assert "\n" not in message
    return message.removeprefix(f"{file}: ")


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "u1"])
def test_values_are_taken_as_they_are_in_float64(tmp_path: Path, dtype: str):
    np.savez(tmp_path / "w.npz", **arrays(dtype))
    layers = read_parameters(tmp_path / "w.npz", network())
    assert [sorted(layer) for layer in layers] == [["W", "b"], ["W", "b"]]
    assert all(array.dtype == np.float64 for layer in layers for array in layer.values())
    assert np.array_equal(layers[0]["W"], arrays()["W0"])
    assert np.array_equal(layers[1]["b"], arrays()["b1"])


def test_a_network_without_biases(tmp_path: Path):
    given = {name: array for name, array in arrays().items() if name.startswith("W")}
    np.savez(tmp_path / "w.npz", **given)
    layers = read_parameters(tmp_path / "w.npz", network(bias=False))
    assert [sorted(layer) for layer in layers] == [["W"], ["W"]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"W1": np.zeros((4, 7))},
            "array W1 has shape (4, 7), this network needs (4, 3); fit [network] or the file",
        ),
        (
            {"W0": np.zeros((4, 5))},
            "array W0 has shape (4, 5), this network needs (5, 4); transpose it: rows are inputs, columns are outputs "
            '(or say network.layout = "torch")',
        ),
        (
            {"b1": np.zeros((1, 3))},
            "array b1 has shape (1, 3), this network needs (3,); fit [network] or the file",
        ),
        ({"W1": np.full((4, 3), np.nan)}, "array W1 has NaN or infinite entries"),
        ({"b0": np.array([0, 1, np.inf, 2])}, "array b0 has NaN or infinite entries"),
        ({"W0": np.zeros((5, 4), dtype=complex)}, "array W0 holds complex128, expected real numbers"),
        ({"W0": np.full((5, 4), "x")}, "array W0 holds <U1, expected real numbers"),
        ({"W2": np.zeros((3, 2))}, "array W2 has no place in this network; the network has 2 layers"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, changes: dict[str, Any], message: str):
    assert refusal(tmp_path, arrays() | changes) == message


def test_biases_that_are_missing_or_not_wanted(tmp_path: Path):
    given = {name: array for name, array in arrays().items() if name.startswith("W")}
    assert refusal(tmp_path, given) == (
        "has no array 'b0', its arrays: 'W0', 'W1'; needed is an .npz file with the arrays W0, b0, W1, … of this "
        "network (without biases: network.bias = false)"
    )
    assert refusal(tmp_path, arrays(), bias=False) == (
        "array b0 has no place in this network; the network has no biases: set network.bias = true"
    )


def test_arrays_beside_a_norm(tmp_path: Path):
    layers = (
        Layer((Branch(-1, Chain((Dense(5, 4, False), BatchNorm(4)))),)),
        Layer((Branch(0, Chain((Dense(4, 3),))),)),
    )
    network = Network((5,), layers)
    given = {f"{name}{i}": np.ones(shape) for name, i, shape in network.parameter_names}
    for changes, line in (
        (
            {"b0": np.zeros(4)},
            "array b0 has no place in this network; layer 0 has a norm, and beside it no bias: leave",
        ),
        ({"variance0": -np.ones(4)}, "array variance0 has entries below zero, as no variance has"),
    ):
        np.savez(tmp_path / "w.npz", allow_pickle=False, **given | changes)
        with pytest.raises(UsageError, match=line):
            read_parameters(tmp_path / "w.npz", network)


def test_names_that_are_close(tmp_path: Path):
    given = {f"{name[0]}_{name[1]}": array for name, array in arrays().items()}
    assert refusal(tmp_path, given).endswith("; did you mean 'W_0'?")


def test_files_that_are_missing_cut_or_something_else(tmp_path: Path):
    whole = tmp_path / "whole.npz"
    np.savez(whole, **arrays())
    (tmp_path / "cut.npz").write_bytes(whole.read_bytes()[:-100])
    (tmp_path / "text.npz").write_text("W0")
    for name, words in (("none", "no such file"), ("cut", "truncated or damaged"), ("text", "is not an .npz file")):
        with pytest.raises(UsageError, match=rf"{name}\.npz: {words}"):
            read_parameters(tmp_path / f"{name}.npz", network())
