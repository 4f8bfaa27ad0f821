"""Shipped scenarios have the values of the tables they are named after."""

import pytest

from tools.data import check_published
from tools.data.make_dense_scenarios import SCENARIOS, derived
from tools.data.published import DenseRow, accuracies, convolutional_rows, sequential_rows


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


def test_another_order_and_another_kernel_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = [row for row in convolutional_rows() if row.scenario == "train-cifar10-vgg5-bp-ce"]
    narrow = ((64, *row.convolutions[0][1:]), *row.convolutions[1:])
    monkeypatch.setattr(check_published, "convolutional_rows", lambda: [row._replace(convolutions=narrow)])
    monkeypatch.setattr(check_published, "accuracies", dict)
    (line,) = check_published.deviations()
    assert line.startswith("train-cifar10-vgg5-bp-ce: network.layers = ((128, 3, 1, 1, True), (256,")
    assert "published is ((64, 3, 1, 1, True)" in line


def test_files_of_sequential_inference_have_their_published_accuracy() -> None:
    rows = sequential_rows()
    assert len(rows) == 10
    for row in rows:
        assert (
            f"# Published: {row.mean:.2f} ± {row.deviation:.2f} % test"
            in (SCENARIOS / f"{row.scenario}.toml").read_text()
        )


def test_scenarios_of_dense_networks_are_up_to_date() -> None:
    for path, text in derived().items():
        assert path.read_text() == text, f"run python -m tools.data.make_dense_scenarios: {path.name} is out of date"
