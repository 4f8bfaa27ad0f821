"""Studies of the landscape of learning: what the shipped figures show is what was computed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pcsim
from pcsim.errors import UsageError
from pcsim.landscape import nearest_optimum
from pcsim.report.plotting import plot
from pcsim.scenario import read_scenario, runs_of
from pcsim.studies import Results, load_kind
from pcsim.studies.attempts import Attempts
from pcsim.studies.one_unit import batches_of


def study(name: str, overrides: Sequence[str] = ()) -> tuple[Results, list[dict[str, str]]]:
    """Return results and table of a shipped study."""
    scenario = read_scenario(name, overrides)
    assert scenario.study is not None
    kind = load_kind(scenario.study.kind)
    *_, results = kind.compute(scenario, Attempts(runs_of(scenario)))
    return results, kind.table(results)


def test_the_energy_is_what_inference_converges_to() -> None:
    results, rows = study("fig-thesis-4-1")
    theory, simulated = results["theory"].values, results["simulated"].values
    assert np.abs(simulated / theory - 1).max() < 1e-12
    assert (theory < results["loss"].values).all()
    assert (np.diff(theory, axis=1) < 0).all()
    assert [row["hidden layers"] for row in rows] == ["2", "5", "10"]


def test_curvatures_at_the_origin_are_those_of_the_closed_form() -> None:
    results, rows = study("fig-thesis-4-4", ["network.hidden.width=3"])
    for kind in ("loss", "energy"):
        formed, closed = results[kind].values, results[f"{kind}_closed"].values
        assert np.nanmax(np.abs(formed - closed)) < 1e-13
    lowest = np.nanmin(results["loss"].values, axis=1)
    assert lowest[0] < -1
    assert not lowest[1:].any()
    assert (np.nanmin(results["energy"].values, axis=1) < -0.1).all()
    assert len(rows) == 3


def test_flows_leave_the_saddle_of_the_energy_sooner() -> None:
    results, rows = study("fig-one-unit")
    loss, energy = results["escape"].values.T
    assert np.median(energy) < np.median(loss)
    low, high = results["curvature"].values
    assert low[0] == -low[1]
    assert high[0] < low[0]
    assert len(rows) == 2


def test_inference_ends_at_the_trust_region_step_of_multiplier_one() -> None:
    results, rows = study("fig-activity-step")
    one = np.argmin(np.abs(np.log(results["multiplier"].values)))
    assert results["multiplier"].values[one] == pytest.approx(1.0)
    end, step = results["state"].values[-1], results["trust_region"].values[one]
    np.testing.assert_allclose(end, step, rtol=0, atol=1e-9)
    assert float(rows[0]["angle to the lowest loss"].rstrip("°")) > float(
        rows[1]["angle to the lowest loss"].rstrip("°")
    )


@pytest.mark.exhaustive
def test_predictive_coding_points_closer_to_the_optimum() -> None:
    results, rows = study("fig-step-directions")
    backprop, predictive, trust, newton = np.nanmean(results["to_optimum"].values, axis=(1, 2))
    assert predictive < backprop < newton
    assert trust < backprop
    near = [float(row["within 0.5 of the saddle"].rstrip("°")) for row in rows]
    assert near[2] < near[1] < near[0] < 90 < near[3]


def test_a_damped_newton_step_points_best_to_the_optimum() -> None:
    results, rows = study("fig-thesis-3-2", ["sweep.seed=[0, 1, 2]"])
    predictive, backprop, newton = results["cosine"].values.mean(axis=(0, 2))
    assert newton > max(predictive, backprop) > 0.5
    assert [row["update"] for row in rows] == ["predictive coding", "backpropagation", "trust-region Newton"]
    assert list(rows[0])[1:] == [f"batch {k}" for k in range(1, 6)]


def test_the_first_update_of_training_is_the_one_whose_direction_is_measured() -> None:
    changes = ["seed=3", "inference.steps=2000", "data.samples=320"]
    results, _ = study("fig-thesis-3-2", changes)
    (only,) = runs_of(read_scenario("fig-thesis-3-2", [*changes, "learning.epochs=1"]))
    chain = batches_of(only.scenario)[0]
    with pcsim.run(read_scenario("fig-thesis-3-2", changes).alone()) as run:
        start, after = (np.array([w[f"W_{i}"].item() for i in range(2)]) for w in (run.network, run.trained))
        losses = run.training["loss"]
    assert chain.loss(start) == pytest.approx(losses[0], rel=1e-12)
    w = start
    for each in batches_of(only.scenario):
        w = w - 0.2 * each.energy_gradient(w)
    np.testing.assert_allclose(w, after, rtol=1e-8)
    best = nearest_optimum(start, chain.best_product) - start
    step = -chain.energy_gradient(start)
    cosine = step @ best / np.linalg.norm(step) / np.linalg.norm(best)
    assert results["cosine"].values[0, 0, 0] == pytest.approx(cosine)


def test_noise_on_the_weights_costs_what_the_landscape_says() -> None:
    results, rows = study("fig-thesis-a-2", ["sweep.seed=[0, 1]"])
    assert [row["runs learned"] for row in rows] == ["2 of 2"] * 2
    predictive, backprop = results["curvature"].values.T
    assert (predictive < backprop).all()
    assert (results["noisy"].values > 1).all()


def test_chains_leave_the_saddle_by_predictive_coding() -> None:
    few = ["seed=1", "network.hidden.layers=2", "learning.epochs=3", "inference.steps=20", "data.samples=640"]
    results, rows = study("fig-thesis-4-2", few)
    predictive, backprop = results["escape"].values
    assert results["method"].values.tolist() == ["pc", "backprop"]
    assert backprop == -1 < predictive < 30
    assert rows[1]["runs at half the loss"] == "1 of 1"
    assert [row["network"] for row in rows] == ["2 hidden layers"] * 2


def test_networks_of_different_activations_leave_the_saddle_in_panels_of_their_own() -> None:
    small = ["network.hidden={ layers = 2, width = 4 }", "inference.steps=4", "learning.epochs=1", "data.samples=128"]
    results, rows = study("fig-thesis-4-5", [*small, 'sweep.network.activation=["tanh", "relu"]'])
    assert results["activation"].values.tolist() == ["tanh", "tanh", "relu", "relu"]
    networks = [row["network"] for row in rows]
    assert networks == ["2 hidden layers, tanh"] * 2 + ["2 hidden layers, relu"] * 2


@pytest.mark.parametrize(
    ("name", "change", "line"),
    [
        ("fig-one-unit", "network.widths=[1,2,1]", "the study is of one hidden unit"),
        ("fig-thesis-3-2", "network.widths=[1,2,1]", "the study is of one hidden unit"),
        ("fig-thesis-3-2", "learning.optimizer=adam", "the study follows gradient descent on batches"),
        ("fig-thesis-3-2", "data.samples=256", "the study is of the first 5 batches, and training has fewer"),
        ("fig-activity-step", "network.widths=[64,3,10]", "the study draws one hidden layer of two units"),
        ("fig-thesis-4-4", "network.activation=tanh", "layer 0 is not linear"),
    ],
)
def test_what_a_study_is_not_of_is_one_line(name: str, change: str, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        pcsim.run(pcsim.read_scenario(name, [change]))


@pytest.mark.exhaustive
def test_completed_samples_are_drawn(tmp_path: Path) -> None:
    course: list[Any] = ["learning.epochs=1", "inference.steps=3", "data.batch=4"]
    with pcsim.run(read_scenario("complete-digits", course), path=tmp_path / "c.h5") as trace:
        plot([trace], tmp_path / "c.png")
    curves = ["network.widths=[4,8,40]", "data.name=mnist1d", *course]
    with pcsim.run(read_scenario("complete-digits", curves), path=tmp_path / "d.h5") as trace:
        plot([trace], tmp_path / "d.png")
    assert min((tmp_path / name).stat().st_size for name in ("c.png", "d.png")) > 20_000


@pytest.mark.exhaustive
def test_digits_are_completed_better_than_by_the_mean_image() -> None:
    from pcsim.figures.completion import completions

    with pcsim.run(read_scenario("complete-digits"), backend="jax") as trace:
        (found,) = completions(trace)
    assert found.error < 0.5 * found.baseline
