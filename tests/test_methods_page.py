"""The bench of local methods: equal budgets, step sizes that are tried, and tables with paired differences."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pcsim
from tools.pages.make_methods_page import following
from tools.studies.finished import Planned
from tools.studies.local_figures import draw_by_layer
from tools.studies.local_methods import CHAINS, METHODS, NETWORKS, Cell, Network, cells, chosen, methods_of
from tools.studies.local_runs import (
    LocalRun,
    at_equilibrium,
    backpropagated,
    cosine,
    cosines,
    main,
    of_update,
    read_runs,
    summary,
)
from tools.studies.local_table import interval, page

SMALL = ("learning.epochs=1", "data.samples=128", "network.hidden.layers=2")
BUDGET = Cell(METHODS[1], CHAINS[4], "MNIST")


def done(planned: Planned, accuracy: float | None, validation: float | None = None) -> LocalRun:
    words = (planned.name, list(planned.overrides), planned.seed, planned.digest(), accuracy, validation)
    return LocalRun(*words, 1, 0.25, 0.75, 0.5, 0.9, 12.0, 300.0, "a machine, one thread", "pcsim 0", "2026-01-02")


@pytest.mark.parametrize("network", [CHAINS[4], *NETWORKS[len(CHAINS) :]], ids=lambda network: network.name)
def test_no_method_takes_more_products_than_state_optimization_and_none_could_take_one_step_more(
    network: Network,
) -> None:
    budget = Cell(METHODS[1], network, "MNIST")
    assert budget.steps == network.steps
    for method in methods_of(network):
        cell = Cell(method, network, "MNIST")
        assert cell.work <= budget.work
        if cell.steps:
            assert cell.work + cell.cost(2) - cell.cost(1) > budget.work


def test_methods_of_plain_chains_are_on_those_alone() -> None:
    assert methods_of(CHAINS[20]) == list(METHODS)
    left_out = {method.name.split()[0] for method in METHODS} - {m.name.split()[0] for m in methods_of(NETWORKS[-1])}
    assert left_out == {"bidirectional"}


def test_products_are_those_of_the_textbook() -> None:
    """784-128-128-128-10: 20 steps of L forward and L − 1 back, and L for the gradient."""
    whole, first = 784 * 128 + 2 * 128 * 128 + 128 * 10, 784 * 128
    assert BUDGET.work == 20 * (2 * whole - first) + whole
    assert Cell(METHODS[0], CHAINS[4], "MNIST").work == 3 * whole - first


def test_a_step_size_is_tried_before_it_is_used_and_the_best_one_is_taken() -> None:
    tries = BUDGET.tries()
    assert list(tries) == [0.03, 0.1, 0.3]
    first = next(iter(tries.values()))
    assert chosen(BUDGET, {first.digest(): 0.9}) == (None, [tries[0.1], tries[0.3]])
    accuracies = dict(zip((run.digest() for run in tries.values()), (0.7, 0.8, None), strict=True))
    assert chosen(BUDGET, accuracies) == (0.1, [])
    assert Cell(METHODS[1], CHAINS[4], "Fashion-MNIST").tries() == tries


def test_runs_that_are_cheap_come_first_and_what_is_finished_or_has_failed_is_not_done_again() -> None:
    wanted = [cell for cell in cells() if cell.method in METHODS[:2]]
    first = following(wanted, {}, set())
    assert first is not None
    assert first == Cell(METHODS[0], CHAINS[4], "MNIST").runs(None)[0]
    found = {first.digest(): done(first, 0.9)}
    second = following(wanted, found, set())
    assert second is not None
    assert second == BUDGET.tries()[0.03]
    assert following(wanted, found, {second.digest()}) == BUDGET.tries()[0.1]
    assert following(wanted[:1], {run.digest(): done(run, 0.9) for run in wanted[0].runs(None)}, set()) is None


def test_the_page_pairs_differences_by_seed_and_says_what_is_not_measured() -> None:
    reference, found = Cell(METHODS[0], CHAINS[4], "MNIST"), dict[str, LocalRun]()
    for run, accuracy in zip(reference.runs(None), (0.90, 0.91, 0.92), strict=True):
        found[run.digest()] = done(run, accuracy)
    for size, run in BUDGET.tries().items():
        found[run.digest()] = done(run, None, size)
    for run, accuracy in zip(BUDGET.runs(0.3), (0.89, 0.899, 0.911), strict=True):
        found[run.digest()] = done(run, accuracy)
    text = page(found)
    assert (
        "| state optimization | 90.00 ± 1.05 | **-1.00 ± 0.25** | 0.250, 0.750 | 0.500, 0.900 | 1 | 20, 0.3* |" in text
    )
    assert "| error optimization | not measured | – |" in text
    assert "- a machine, one thread, pcsim 0, 2026-01-02\n" in text


def test_cosines_are_drawn_by_layer() -> None:
    run = Cell(METHODS[0], CHAINS[4], "MNIST").runs(None)[0]
    found = {run.digest(): replace(done(run, 0.9), to_backprop=[1.0, None, -1.0, 0.0])}
    panels = [axes for axes in draw_by_layer(found).axes if axes.images]
    to_backprop, to_equilibrium = (axes.images[0].get_array() for axes in panels)  # no other network has any
    ones, grey, below, zero = to_backprop[0]
    assert ones[2] > ones[0]  # blue
    assert below[0] > below[2]  # red
    assert list(grey) == [0.6, 0.6, 0.6, 1.0]
    assert min(zero) > 0.95
    assert (to_backprop[1:] == 1).all()  # methods without a run are left white
    assert (to_equilibrium == 1).all()


def test_intervals_are_students() -> None:
    mean, half = interval([-1.0, -1.1, -0.9])
    assert mean == pytest.approx(-1.0)
    assert half == pytest.approx(4.302652729911275 * 0.1 / 3**0.5)
    assert interval([2.0]) == (2.0, float("inf"))


def test_cosines_see_gradients_that_are_tiny() -> None:
    a = np.array([1e-200, 2e-200])
    assert cosine(a, 1e180 * a) == pytest.approx(1.0)
    assert cosine(a, np.array([2.0, -1.0])) == pytest.approx(0.0)
    assert np.isnan(cosine(a, np.zeros(2)))


def test_a_run_is_measured_beside_backpropagation_and_its_own_equilibrium(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    words = (*SMALL, "data.validation=0.25", "inference.steps=2", 'trace.record=["weight_gradient"]')
    assert main([str(file), str(tmp_path), "train-digits", "3", *words]) == 0
    run = read_runs(file)[Planned("train-digits", 3, words).digest()]
    assert [path.name for path in tmp_path.iterdir()] == ["runs.jsonl"]
    assert json.loads(file.read_text()) == asdict(run)
    assert run.accuracy is not None
    assert run.validation is not None
    assert run.lowest_to_backprop is not None
    assert run.lowest_to_equilibrium is not None
    assert run.lowest_to_equilibrium < run.lowest_to_backprop < 1
    assert run.to_backprop is not None
    assert (run.lowest_to_backprop, run.median_to_backprop) == summary(run.to_backprop)
    assert len(run.to_backprop) == 3


def test_layers_of_zeros_are_left_out_of_a_summary() -> None:
    assert summary([0.5, None, -0.25, 0.75]) == (-0.25, 0.5)
    assert summary([None]) == summary(None) == (None, None)


@pytest.mark.parametrize(
    ("words", "reference"),
    [
        (("inference.method=backprop",), backpropagated),
        (("inference.method=equilibrium", "inference.steps=500"), at_equilibrium),
        (
            (
                "inference.method=equilibrium",
                "inference.steps=500",
                "learning.precisions=natural",
                "learning.precision_lr=0.05",
            ),
            at_equilibrium,
        ),
    ],
)
def test_references_are_what_they_are_called(words: tuple[str, ...], reference: Any) -> None:
    told = (*SMALL, *words, 'trace.record=["weight_gradient"]', "backend.precision=float64")
    scenario = pcsim.read_scenario("train-digits", told)
    with pcsim.run(scenario) as trace:
        assert cosines(trace, scenario, reference) == pytest.approx([1.0, 1.0, 1.0], abs=1e-9)


def test_the_gradient_that_is_compared_is_the_one_that_weights_learn_from() -> None:
    """With errors against the forward pass it is not the recorded one of the energy."""
    words = (
        "inference.method=state",
        "inference.steps=40",
        "learning.rule=forward",
        'trace.record=["weight_gradient"]',
    )
    scenario = pcsim.read_scenario("train-digits", (*SMALL, *words, "backend.precision=float64"))
    with pcsim.run(scenario) as trace:
        own, learned = of_update(trace, scenario), pcsim.learn_from(trace).gradient
        for name in ("W_0", "W_1", "W_2"):
            np.testing.assert_allclose(own[name], learned[name], rtol=1e-9, atol=1e-14)
        assert cosine(own["W_1"], trace.gradient["W_1"]) < 1 - 1e-6  # layer 0 reads the input, which stays
