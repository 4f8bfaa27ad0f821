"""Metrics of outputs, against sorting and plain formulas."""

import numpy as np

from pcsim.learning.metrics import correct_in_top, measures_of


def test_samples_are_counted_as_argmax_does() -> None:
    outputs = np.array([[0.1, 0.9, 0.0], [2.0, 1.0, 3.0], [1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [np.nan, 1.0, 0.0]])
    targets = np.eye(3)[[1, 0, 0, 1, 1]]
    np.testing.assert_array_equal(correct_in_top(outputs, targets, 1), [True, False, True, False, False])
    np.testing.assert_array_equal(correct_in_top(outputs, targets, 2), [True, True, True, True, False])
    assert measures_of(np.array([1.0, 2.0]), outputs, targets, classes=3)[:2] == (1.5, 2 / 5)


def test_top_five_agrees_with_sorting() -> None:
    rng = np.random.default_rng(0)
    outputs, labels = rng.standard_normal((200, 10)), rng.integers(0, 10, 200)
    expected = sum(int(label in np.argsort(row)[-5:]) for row, label in zip(outputs, labels, strict=True))
    assert measures_of(np.zeros(1), outputs, np.eye(10)[labels], classes=10).top5 == expected / 200
