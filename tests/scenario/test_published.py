"""Shipped scenarios have the values of the tables they are named after."""

from functools import partial
from typing import Any

import pytest

from pcsim.scenario import read_scenario
from tools.data import check_published
from tools.data.make_dense_scenarios import SCENARIOS, derived
from tools.data.published import DenseRow, accuracies, alonso_rows, convolutional_rows


def test_every_shipped_scenario_has_the_published_values() -> None:
    assert check_published.deviations() == []


def test_a_value_that_differs_is_named_with_both(monkeypatch: pytest.MonkeyPatch) -> None:
    row = DenseRow("D.4", "mnist", "bp", False, "ce", "", "", "2e-4", "20")
    assert only(monkeypatch, dense_rows=[row]) == ["train-mnist-bp-ce: learning.lr = 0.0001, published is 0.0002"]


def test_accuracies_stand_by_the_scenario_that_repeats_them() -> None:
    found = accuracies()
    assert found["train-mnist-eo-mse"] == ("Table 1", 98.28, 0.09)
    assert found["train-deep-fashion-so-ce"] == ("Table D.1", 79.95, 1.62)
    assert found["train-cifar100-vgg7-bp-ce"] == ("Table 1", 65.14, 0.29)
    assert "train-cifar10-resnet18-so-mse" not in found  # copied from another paper


@pytest.mark.parametrize("place", range(5))
def test_another_channel_kernel_stride_padding_and_pool_are_told(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = [row for row in convolutional_rows() if row.scenario == "train-cifar10-vgg5-bp-ce"]
    first, *others = row.convolutions
    changed: Any = tuple(value + 1 if i == place else value for i, value in enumerate(first))
    rows = [row._replace(convolutions=(changed, *others))]
    assert any("network.layers = " in line for line in only(monkeypatch, convolutional_rows=rows))
    assert only(monkeypatch, convolutional_rows=[row]) == []


def test_another_order_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row for row in alonso_rows() if row.scenario == "train-cifar10-conv-seqil-mq"]
    monkeypatch.setattr(
        check_published, "read_scenario", partial(read_scenario, overrides="network.order=weights-first")
    )
    (line,) = only(monkeypatch, alonso_rows=rows)
    assert line.endswith("network.order = 'weights-first', published is 'activation-first'")


def only(monkeypatch: pytest.MonkeyPatch, **rows: Any) -> list[str]:
    """Return what deviates from some rows alone."""
    for name in ("convolutional_rows", "dense_rows", "alonso_rows"):
        monkeypatch.setattr(check_published, name, partial(rows.get, name, []))
    monkeypatch.setattr(check_published, "accuracies", dict)
    return check_published.deviations()


def test_files_of_sequential_inference_have_their_published_accuracy() -> None:
    rows = alonso_rows()
    assert len(rows) == 10
    for row in rows:
        assert (
            f"# Published: {row.mean:.2f} ± {row.deviation:.2f} % test"
            in (SCENARIOS / f"{row.scenario}.toml").read_text()
        )


def test_scenarios_of_dense_networks_are_up_to_date() -> None:
    for path, text in derived().items():
        assert path.read_text() == text, f"run python -m tools.data.make_dense_scenarios: {path.name} is out of date"
