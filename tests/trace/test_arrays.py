"""Arrays of other programs: in the shapes that their names stand for, or refused by name."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pcsim.errors import UsageError
from pcsim.trace import Trace, open_trace
from tests.support.trace_samples import block, create, final


def replaced(folder: Path, name: str, values: Any) -> Path:
    path = folder / "run.h5"
    with create(path) as writer:
        writer.append(block(0, 5))
        writer.finish("complete", {}, final()).close()
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = values
    return path


def read_all(trace: Trace) -> None:
    assert trace.energy.size
    assert trace.steps.size
    assert trace.arrival_steps.size
    assert trace.network
    assert trace.final_states


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("energy", np.zeros((5, 1)), "energy has shape (5, 1); with 3 layers it must be any × 3"),
        ("energy", np.zeros(5), "energy has shape (5,); with 3 layers it must be any × 3"),
        ("energy", np.zeros((5, 3), complex), "energy holds complex128, expected real numbers"),
        ("step", np.zeros((5, 1), int), "step has shape (5, 1); with 3 layers it must be any"),
        ("arrival_step", np.zeros(2), "arrival_step has shape (2,); with 3 layers it must be 3"),
        ("network/W_0", ["a", "b"], "network/W_0 holds object, expected real numbers"),
        ("final/states/layer_0", h5py.Empty("f8"), "final/states/layer_0 holds no values"),
    ],
)
def test_an_array_of_another_kind(tmp_path: Path, name: str, values: Any, reason: str) -> None:
    path = replaced(tmp_path, name, values)
    with pytest.raises(UsageError) as error, open_trace(path) as trace:
        read_all(trace)
    assert str(error.value) == f"{path}: {reason}"


@pytest.mark.parametrize("widths", [[5.0, 5.0, np.inf], [5.0, np.nan, 3.0], [5, 5, 3j], [5.5, 5.0, 3.0]])
def test_widths_that_are_no_whole_numbers(tmp_path: Path, widths: Any) -> None:
    path = replaced(tmp_path, "layer_width", np.array(widths))
    with pytest.raises(UsageError, match=r"run\.h5 is damaged .*/layer_width holds no whole numbers"):
        open_trace(path)


def test_a_layer_that_is_missing(tmp_path: Path) -> None:
    path = replaced(tmp_path, "final/errors/layer_1", np.zeros((2, 5)))
    with h5py.File(path, "r+") as file:
        del file["final/errors/layer_1"]
    with open_trace(path) as trace, pytest.raises(UsageError, match="holds no final/errors/layer_1"):
        trace.final_errors  # noqa: B018


def test_an_attribute_that_is_missing(tmp_path: Path) -> None:
    path = replaced(tmp_path, "energy", np.zeros((5, 3)))
    with open_trace(path) as trace:
        assert trace.attributes.get("method") is None
        with pytest.raises(UsageError, match="has no attribute method"):
            trace.attributes["method"]


def test_a_version_that_is_infinite(tmp_path: Path) -> None:
    path = replaced(tmp_path, "energy", np.zeros((5, 3)))
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = np.inf
    with pytest.raises(UsageError, match=r"run\.h5 is damaged"):
        open_trace(path)
