"""Every figure of the gallery runs and draws, smaller; what each claims holds at that size too."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import pcsim
from pcsim.scenario import Scenario, list_scenarios, read_scenario, runs_of
from pcsim.studies import Results, load_kind, results_of
from pcsim.studies.attempts import Attempts
from pcsim.studies.file import write_study
from tests.support.covering import sampled

NAMES = [name for name, _ in list_scenarios() if name.startswith("fig-")]
TWO_METHODS = (
    'sweep.inference=[{ method = "state", step_size = 0.3, steps = 300 }, '
    '{ method = "error", step_size = 0.1, steps = 40 }]'
)
SMALLER: Mapping[str, list[str]] = {
    "fig-alonso-2": ["network.hidden.width=8", "seed=0", "learning.epochs=1", "data.samples=256", "inference.steps=3"],
    "fig-alonso-3": ["network.hidden.width=32", "sweep.seed=[0, 1]"],
    "fig-alonso-4": ["network.hidden.width=8", "sweep.seed=[0]", "learning.epochs=1", "inference.steps=2"],
    "fig-alonso-6": ["network.widths=[64, 8, 64]", "seed=0", "learning.epochs=1", "data.samples=256"],
    "fig-alonso-8": ["network.hidden.width=8", "seed=0", "data.samples=12", "data.batch=4", "inference.steps=2"],
    "fig-proximal-steps": ["network.widths=[64, 3, 10]", "data.batch=1", "inference.steps=100"],
    "fig-alonso-9": ["seed=0", "learning.epochs=1", "data.samples=256"],
    "fig-preconditioner": ["sweep.network.hidden.layers=[2, 5]", "network.hidden.width=8"],
    "fig-remedies": ["network.hidden.width=32", "inference.steps=20"],
    "fig-which-inputs-arrive": [
        "network.hidden.width=16",
        "data.batch=32",
        "data.samples=256",
        "learning.epochs=2",
        'sweep.inference=[{ method = "state", steps = 30 }]',
    ],
    "fig-eo-1": ["network.hidden.width=32"],
    "fig-eo-b1": ["network.hidden.width=32"],
    "fig-eo-5": ["network.hidden.layers=5", "network.hidden.width=16", "learning.epochs=1", TWO_METHODS],
    "fig-eo-c1": ["network.hidden.layers=3", "network.hidden.width=16", "data.samples=256", TWO_METHODS],
    "fig-eo-c1-ce": ["network.hidden.layers=3", "network.hidden.width=16", "data.samples=256", TWO_METHODS],
    "fig-easy-and-hard": [
        "network.hidden.layers=3",
        "network.hidden.width=16",
        "data.samples=256",
        "learning.epochs=2",
        TWO_METHODS,
    ],
    "fig-deep-chain": ["seed=0", "learning.epochs=1", "inference.steps=10", "data.samples=128"],
    "fig-inference-rate": ["sweep.network.hidden.width=[8]", "sweep.network.hidden.layers=[2, 8]"],
    "fig-one-unit": ["seed=0"],
    "fig-thesis-3-2": ["sweep.seed=[0, 1]"],
    "fig-thesis-a-2": ["sweep.seed=[0, 1]"],
    "fig-thesis-4-1": ["network.hidden.layers=1"],
    "fig-thesis-4-2": ["seed=0", "learning.epochs=1", "inference.steps=10", "data.samples=128"],
    "fig-thesis-5-1": [
        "network.hidden.width=8",
        "sweep.network.hidden.layers=[2, 4]",
        "sweep.learning.lr=[0.1, 0.01]",
        "inference.steps=2",
        "learning.epochs=1",
        "data.samples=128",
    ],
    "fig-thesis-5-2": ["sweep.network.hidden.width=[2, 8]", "sweep.network.hidden.layers=[2, 8]"],
    "fig-thesis-5-3": ["network.hidden.layers=4", "data.samples=128", "learning.epochs=1"],
    "fig-thesis-5-4": ["network.activation=linear", "network.hidden.width=8", "sweep.network.hidden.layers=[2, 8]"],
    "fig-thesis-5-5": [
        "sweep.together=[{ network.hidden.width = 8 }, { network.hidden.width = 16 }]",
        "network.hidden.layers=2",
        "learning.epochs=1",
        "data.samples=128",
        "sweep.learning.lr=[0.1, 0.01]",
        "sweep.inference.step_size=[0.01, 0.1]",
        "inference.steps=2",
    ],
    "fig-thesis-5-6": ["sweep.network.hidden.width=[8, 64]", "network.hidden.layers=4", "data.samples=128"],
    "fig-thesis-c-12": ["network.activation=linear", "network.hidden.width=8", "network.hidden.layers=8"],
    "fig-thesis-c-11": ["network.hidden={ layers = 3, width = 8 }", "data.batch=4", "inference.steps=3"],
    "fig-thesis-c-12-accuracy": [
        "network.hidden={ layers = 2, width = 8 }",
        "seed=0",
        "learning.epochs=1",
        "data.samples=128",
        "inference.steps=5",
    ],
    "fig-thesis-4-5": ["network.hidden.width=8", "learning.epochs=1", "inference.steps=5", "data.samples=128"],
    "fig-thesis-c-22": ["network.activation=linear", "network.hidden.width=8", "network.hidden.layers=8"],
    "fig-thesis-c-30": ["sweep.network.hidden.layers=[4, 32]"],
}


UNMEASURED = {("fig-alonso-6", "test_accuracy")}
"""An autoencoder has no classes."""


@cache
def parts(name: str) -> tuple[Results, ...]:
    """Return what the study of a figure has come to after each of its runs."""
    scenario = small(name)
    assert scenario.asks_for is not None
    return tuple(load_kind(scenario.asks_for.kind).compute(scenario, Attempts(runs_of(scenario))))


def small(name: str) -> Scenario:
    return read_scenario(name, SMALLER.get(name, []))


def results(name: str) -> Results:
    return parts(name)[-1]


QUICK = ("fig-eo-b1", "fig-eo-1", "fig-deep-chain", "fig-thesis-4-1")
"""The only ones by default: every figure is drawn behind the marker."""


@pytest.mark.parametrize("name", sampled(NAMES, QUICK))
def test_every_figure_is_computed_kept_and_drawn(name: str, tmp_path: Path) -> None:
    scenario, whole = small(name), results(name)
    assert scenario.asks_for is not None
    attributes = {"status": "complete", "study": scenario.asks_for.kind, "title": scenario.title}
    with write_study(None, scenario, attributes, whole, [], new=True) as trace:
        kept = results_of(trace)
        pcsim.plot([trace], tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 20_000
    for key, each in whole.items():
        assert np.array_equal(kept[key].values, each.values, equal_nan=each.values.dtype.kind == "f"), key
        assert (kept[key].dims, kept[key].meaning, kept[key].unit) == (each.dims, each.meaning, each.unit)
        assert each.meaning
        assert each.values.dtype.kind != "f" or np.isfinite(each.values).any() or (name, key) in UNMEASURED, key


@pytest.mark.parametrize("name", sampled(NAMES, QUICK))
def test_a_part_of_every_figure_has_a_table_and_is_drawn(name: str) -> None:
    scenario = small(name)
    assert scenario.asks_for is not None
    kind = load_kind(scenario.asks_for.kind)
    for found in (parts(name)[0], results(name)):
        rows = kind.table(found)
        assert rows
        assert all(row.keys() == rows[0].keys() for row in rows)
    assert kind.draw(parts(name)[0]).axes


def test_error_optimization_reaches_every_layer_at_once() -> None:
    arrival = results("fig-eo-1")["arrival_step"].values
    assert (arrival[1, :-1] == 1).all()
    assert (arrival[0, :-2] != 1).all()


def test_state_optimization_takes_many_times_the_steps_of_error_optimization() -> None:
    found = results("fig-eo-5")
    state, error = found["reached"].values
    assert (state > 4 * error).all()
    low, median, high = np.moveaxis(found["distance"].values, -1, 0)
    assert (low[:, 0] < median[:, 0]).all()
    assert (median[:, 0] < high[:, 0]).all()


def test_the_front_of_eq_4_is_that_of_the_simulation() -> None:
    found = results("fig-eo-b1")
    simulated, theory = found["arrival_step"].values
    assert np.array_equal(theory[:-1], np.arange(19, 0, -1))
    assert (simulated[10:-1] == theory[10:-1]).all()
    assert (simulated[:-1] >= theory[:-1]).all()


def test_error_optimization_comes_to_the_reference_and_state_optimization_after_it() -> None:
    found = results("fig-eo-c1")
    distance, step = found["distance"].values, found["step"].values
    state, error = (distance[i, np.isfinite(step[i])] for i in range(2))
    assert (error[-1] == 0).all()
    assert (state[0] == error[0]).all()
    assert (state[-1, :, 1] < state[0, :, 1]).all()
    easiest, hardest = found["loss"].values
    assert easiest < hardest


def test_a_signal_reaches_lower_layers_in_float64_and_with_adam() -> None:
    narrow, wide = results("fig-which-inputs-arrive")["arrival"].values
    assert ((narrow >= 0) <= (wide >= 0)).all()
    assert (wide[0] >= 19).all()
    plain, _, adam, _ = results("fig-remedies")["arrival_step"].values
    assert (adam[:-1] == np.arange(19, 0, -1)).all()
    assert plain[0] == -1


def test_error_optimization_is_preconditioned_state_optimization() -> None:
    found = results("fig-preconditioner")
    assert (found["off"].values < 1e-14).all()
    assert (np.nanmin(found["eigenvalue"].values, axis=1) > 0).all()
    left = found["left"].values
    # the remainder is of second order in the step, and so of first order relative to it
    assert np.log10(left[:, :-1] / left[:, 1:]) == pytest.approx(1, abs=0.05)


def test_gradients_with_fixed_predictions_are_those_of_eq_4() -> None:
    found = results("fig-fixed-predictions")
    assert np.allclose(found["gradient"].values[-1], found["theory"].values[-1], rtol=1e-10, atol=0)


@cache
def condition(name: str, changes: tuple[str, ...] = ()) -> float:
    """Return the condition number of a shipped figure's only network."""
    runs = runs_of(read_scenario(name, [*SMALLER["fig-thesis-c-22"], *changes]))
    *_, found = load_kind("conditioning").compute(read_scenario(name), Attempts(runs))
    return float(found["condition"].values[0])


def test_skips_make_the_hessian_worse_conditioned_and_activity_decay_better() -> None:
    assert condition("fig-thesis-c-22") > condition("fig-thesis-5-2") > condition("fig-thesis-c-12") > 1


def test_an_indefinite_hessian_has_the_condition_number_of_the_thesis() -> None:
    at = ("network.activation=tanh", "network.hidden.width=4", "network.hidden.layers=2")
    *_, found = load_kind("conditioning").compute(
        read_scenario("fig-thesis-c-22"), Attempts(runs_of(read_scenario("fig-thesis-c-22", at)))
    )
    low, high, kappa = (float(found[name].values[0]) for name in ("smallest", "largest", "condition"))
    assert low < 0
    assert kappa == high / -low


def test_mupc_starts_nearer_to_the_equilibrium_which_inference_comes_to() -> None:
    standard, mupc = (results("fig-thesis-c-11")["distance"].values[at] for at in (slice(0, 3), slice(3, 6)))
    assert (mupc[:, 0] < standard[:, 0]).all()
    small = ["network.hidden={ layers = 2, width = 4 }", "data.batch=4", 'sweep.network=[{ parametrisation = "mupc" }]']
    scenario = read_scenario("fig-thesis-c-11", [*small, "inference.step_size=0.3", "inference.steps=400"])
    *_, found = load_kind("activity-norms").compute(scenario, Attempts(runs_of(scenario)))
    assert found["distance"].values[0, -1] < 1e-6
    np.testing.assert_allclose(found["norm"].values[0, -1], found["rest"].values[0], rtol=1e-6)


def test_orthogonal_weights_and_mupc_are_ill_conditioned_in_deep_networks() -> None:
    found = results("fig-thesis-5-4")
    kappa = found["condition"].values.reshape(2, 2)
    assert (kappa[:, 1] > kappa[:, 0]).all()


def test_the_energy_of_wide_networks_is_the_loss() -> None:
    found = results("fig-thesis-5-6")
    narrow, wide = found["ratio"].values
    assert narrow > wide > 1
    assert wide == pytest.approx(1, abs=0.1)
    # what training settles to in its first update is the same equilibrium, of another batch
    assert (found["training_ratio"].values >= 1).all()


def test_steps_of_inference_are_within_the_bound_of_the_condition_number() -> None:
    found = results("fig-inference-rate")
    assert (found["steps"].values <= np.ceil(found["condition"].values * np.log(100) / 2) + 1).all()
