"""Metrics of outputs, against sorting and plain formulas."""

import jax
import numpy as np

from pcsim.learning.metrics import (
    correct_in_top,
    mean_loss,
    mean_squared_error,
    number_correct,
    number_in_top_5,
)
from pcsim.losses import CrossEntropy, SquaredError
from tests.cases import XP


def test_samples_are_counted_as_argmax_does() -> None:
    outputs = np.array([[0.1, 0.9, 0.0], [2.0, 1.0, 3.0], [1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [np.nan, 1.0, 0.0]])
    targets = np.eye(3)[[1, 0, 0, 1, 1]]
    np.testing.assert_array_equal(correct_in_top(outputs, targets, 1), [True, False, True, False, False])
    np.testing.assert_array_equal(correct_in_top(outputs, targets, 2), [True, True, True, True, False])
    assert number_correct(outputs, targets) == 2
    assert number_in_top_5(outputs, targets) == 4


def test_top_five_agrees_with_sorting() -> None:
    rng = np.random.default_rng(0)
    outputs, labels = rng.standard_normal((200, 10)), rng.integers(0, 10, 200)
    expected = sum(int(label in np.argsort(row)[-5:]) for row, label in zip(outputs, labels, strict=True))
    assert number_in_top_5(outputs, np.eye(10)[labels]) == expected


def test_losses_are_means_over_samples() -> None:
    rng = np.random.default_rng(0)
    outputs, targets = rng.standard_normal((7, 4)), rng.dirichlet(np.ones(4), 7)
    squares = ((outputs - targets) ** 2).sum(axis=1)
    np.testing.assert_allclose(mean_loss(XP, SquaredError(), outputs, targets), squares.mean() / 2)
    np.testing.assert_allclose(mean_squared_error(outputs, targets), squares.mean() / 4)
    expected = -(targets * jax.nn.log_softmax(outputs, axis=1)).sum(axis=1).mean()
    np.testing.assert_allclose(mean_loss(XP, CrossEntropy(), outputs, targets), expected)
