"""Shipped scenarios have the values of the tables they are named after."""

import pytest

from tools.data import check_published
from tools.data.make_dense_scenarios import derived
from tools.data.published import DenseRow, accuracies


def test_every_shipped_scenario_has_the_published_values() -> None:
    assert check_published.deviations() == []


def test_a_value_that_differs_is_named_with_both(monkeypatch: pytest.MonkeyPatch) -> None:
    row = DenseRow("D.4", "mnist", "bp", False, "ce", "", "", "2e-4", "20")
    monkeypatch.setattr(check_published, "dense_rows", lambda: [row])
    monkeypatch.setattr(check_published, "accuracies", dict)
    assert check_published.deviations() == ["train-mnist-bp-ce: learning.lr = 0.0001, published is 0.0002"]


def test_accuracies_stand_by_the_scenario_that_repeats_them() -> None:
    found = accuracies()
    assert found["train-mnist-eo-mse"] == ("Table 1", 98.28, 0.09)
    assert found["train-deep-fashion-so-ce"] == ("Table D.1", 79.95, 1.62)
    assert found["train-cifar100-vgg7-bp-ce"] == ("Table 1", 65.14, 0.29)
    assert "train-cifar10-resnet18-so-mse" not in found  # copied from another paper


def test_scenarios_of_dense_networks_are_up_to_date() -> None:
    for path, text in derived().items():
        assert path.read_text() == text, f"run python -m tools.data.make_dense_scenarios: {path.name} is out of date"
