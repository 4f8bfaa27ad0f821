"""From labels or target values to what the output layer is compared with."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcsim.datasets import targets
from pcsim.errors import UsageError


@given(labels=st.lists(st.integers(0, 9), min_size=1), spare=st.integers(0, 3))
def test_labels_become_one_hot_rows(labels: list[int], spare: int):
    hot = targets(np.array(labels), 10 + spare, "data")
    assert hot.shape == (len(labels), 10 + spare)
    assert hot.dtype == np.float64
    assert np.array_equal(hot.argmax(axis=1), labels)
    assert np.array_equal(hot.sum(axis=1), np.ones(len(labels)))


@pytest.mark.parametrize("kind", ["u1", "i2", ">i4", "u8", "f4", "?"])
def test_labels_of_any_whole_type(kind: str):
    assert np.array_equal(targets(np.array([0, 1], dtype=kind), 2, "data"), np.eye(2))


def test_floats_with_one_output_unit_are_regression_targets():
    assert np.array_equal(targets(np.array([0.5, -2.0]), 1, "data"), [[0.5], [-2.0]])
    assert np.array_equal(targets(np.array([0.0, 1.0]), 1, "data"), [[0.0], [1.0]])


def test_targets_are_passed_through_in_float64():
    y = np.array([[1, 2, 3]], dtype=np.float32)
    passed = targets(y, 3, "data")
    assert passed.dtype == np.float64
    assert np.array_equal(passed, y)


@pytest.mark.parametrize(
    ("y", "outputs", "said"),
    [
        (np.arange(10), 4, "labels run 0..9 but the network has 4 output units; end network.widths"),
        (np.arange(10), 1, "labels run 0..9 but the network has 1 output unit"),
        (np.zeros(3, dtype=np.int64), 1, "store y as floats to regress on"),
        (np.array([0, -2, 1]), 4, "y[1] = -2 is negative"),
        (np.array([0.0, -2.0]), 4, "y[1] = -2 is negative"),
        (np.array([0.0, 1.5, 2.5]), 4, "y[1] = 1.5 is not a label (a whole number from 0 to 3)"),
        (np.array([0.0, np.nan]), 4, "y[1] = nan is not a label"),
        (np.zeros((5, 3)), 4, "y has 3 columns but the network has 4 output units"),
        (np.zeros((5, 1)), 4, "store labels as a 1-D array"),
        (np.zeros((5, 4)), 1, "y has 4 columns but the network has 1 output units"),
        (np.zeros((5, 2, 2)), 4, "y has shape (5, 2, 2)"),
        (np.zeros(0), 4, "y has shape (0,)"),
        (np.array(3), 4, "y has shape ()"),
        (np.array([2**63], dtype=np.uint64), 4, f"labels run {2**63}..{2**63}"),
    ],
)
def test_what_does_not_fit_is_one_line(y: np.ndarray, outputs: int, said: str):
    with pytest.raises(UsageError, match=re.escape(said)) as error:
        targets(y, outputs, "mine.npz")
    assert str(error.value).startswith("mine.npz: ")
    assert "\n" not in str(error.value)
