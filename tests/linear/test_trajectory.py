"""Deep linear networks: the exact trajectories against the simulator, other programs' numbers and linear algebra."""

from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm

import pcsim
from pcsim.errors import UsageError
from pcsim.inference import IncrementStateOptimization, StateOptimization
from pcsim.inference.base import Moving
from pcsim.inference.steppers import GradientDescent
from pcsim.linear import LinearSystem, linear_system
from pcsim.recorded.resimulation import simulation_of
from tests.support.cases import XP, Case, make_case, make_task, settle
from tests.support.places import GOLDEN

NETWORKS: list[dict[str, Any]] = [
    {},
    {"activation_first": True, "mupc": True},
    {"skip": 1, "mupc": True},
    {"skip": 1, "activation_first": True},
    {"skip": 2, "mupc": True, "activation_first": True},
    {"skip": 3},
]
ENERGIES: list[dict[str, Any]] = [
    {},
    {"bias": False, "clamp_precision": 0.7},
    {"precisions": True},
    {"decays": True},
    {"precisions": True, "decays": True, "clamp_precision": 2.0},
]


def system_of(case: Case) -> LinearSystem:
    return linear_system(case.energy, case.parameters, case.x, case.y)


@pytest.mark.parametrize("energy", ENERGIES, ids=str)
@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_the_simulator_follows_the_exact_trajectory(network: dict[str, Any], energy: dict[str, Any]) -> None:
    case = make_case("linear", **network, **energy)
    for start in (None, case.states):
        trajectory = system_of(case).trajectory(start)
        step_size = 0.9 * trajectory.largest_stable_step
        stepper = GradientDescent(step_size)
        _, rows = settle(make_task(case, stepper=stepper, steps=40, initial=start, record=("energy", "states")))
        motion = trajectory.descent(rows.clock, step_size)
        np.testing.assert_allclose(trajectory.energies(motion), rows.energy, rtol=1e-10, atol=1e-12)
        for ours, theirs in zip(trajectory.states(motion), rows.states, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-11)


@pytest.mark.parametrize("energy", ENERGIES, ids=str)
@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_the_hessian_is_what_the_layers_pull_back(network: dict[str, Any], energy: dict[str, Any]) -> None:
    case = make_case("linear", **network, **energy)
    system = system_of(case)
    inference, clamped = StateOptimization(case.energy), case.clamped()
    point = inference.evaluate(XP, clamped, Moving(case.states, ()))
    expected = np.concatenate(case.states, axis=1) @ system.hessian() - system.right_hand_side
    np.testing.assert_allclose(np.concatenate(point.gradient, axis=1), expected, rtol=0, atol=1e-13)
    equilibrium = system.equilibrium()
    for gradient in inference.evaluate(XP, clamped, Moving(equilibrium, ())).gradient:
        np.testing.assert_allclose(gradient, 0, atol=1e-12)


@pytest.mark.parametrize("name", ["linear-sp", "linear-mupc"])
def test_other_programs_find_the_same_hessian_and_equilibrium(name: str) -> None:
    expected = np.load(GOLDEN / name / "expected.npz")
    with pcsim.run(pcsim.read_scenario(GOLDEN / name / "scenario.toml")) as trace:
        task = simulation_of(trace).task
    system = linear_system(task.inference.energy, task.parameters, task.x, task.y)
    np.testing.assert_allclose(system.hessian(), expected["hessian"], rtol=0, atol=1e-14)
    equilibrium = system.equilibrium()
    for i, states in enumerate(equilibrium):
        np.testing.assert_allclose(states, expected[f"equilibrium_state_{i}"], rtol=0, atol=1e-13)
    np.testing.assert_allclose(
        system.layerwise(system.errors(system.join(equilibrium))), expected["equilibrium_energy"], rtol=1e-12
    )
    trajectory = system.trajectory()
    assert trajectory.curvatures[-1] / trajectory.curvatures[0] == pytest.approx(
        float(expected["hessian_condition"]), rel=1e-12
    )
    energies = trajectory.energies(trajectory.descent(np.arange(201), 0.1))
    np.testing.assert_allclose(energies, expected["energy"], rtol=1e-12, atol=1e-14)


def test_both_motions_are_the_textbook_formulas() -> None:
    case = make_case("linear", skip=2, decays=True)
    system = system_of(case)
    trajectory = system.trajectory(case.states)
    start, rest = np.concatenate(case.states, axis=1), system.join(system.equilibrium())
    one_step = np.eye(len(system.hessian())) - 0.05 * system.hessian()
    descent = trajectory.states(trajectory.descent([0, 1, 7, 1000], 0.05))
    flow = trajectory.states(trajectory.flow([0.0, 0.5, 20.0, np.inf]))
    for record, step in enumerate((0, 1, 7, 1000)):
        expected = rest + (start - rest) @ np.linalg.matrix_power(one_step, step)
        np.testing.assert_allclose(np.concatenate([s[record] for s in descent], axis=1), expected, rtol=0, atol=1e-12)
    for record, time in enumerate((0.0, 0.5, 20.0, np.inf)):
        decayed = expm(-system.hessian() * time) if np.isfinite(time) else np.zeros_like(one_step)
        expected = rest + (start - rest) @ decayed
        np.testing.assert_allclose(np.concatenate([s[record] for s in flow], axis=1), expected, rtol=0, atol=1e-12)
    assert np.all(trajectory.energies(trajectory.flow([3.0])) >= 0)


def test_gradient_descent_is_stable_up_to_the_largest_step() -> None:
    trajectory = system_of(make_case("linear")).trajectory()
    limit = trajectory.largest_stable_step
    assert trajectory.system.largest_stable_step() == pytest.approx(limit, rel=1e-12)
    below, above = (trajectory.energies(trajectory.descent([10000], f * limit)).sum() for f in (0.99, 1.01))
    rest = trajectory.system.equilibrated_energy().mean()
    assert below == pytest.approx(rest, rel=1e-9)
    assert above > 1e50


def test_a_run_beyond_the_range_of_floats_is_not_finite_and_no_warning() -> None:
    trajectory = system_of(make_case("linear")).trajectory()
    assert not np.isfinite(trajectory.energies(trajectory.descent([10**5], 1.0))).all()


@pytest.mark.parametrize("options", [{"gain": 1.4}, {"skip": 1, "mupc": True}], ids=str)
def test_energies_above_the_resolution_are_right_and_those_below_are_rounding(options: dict[str, Any]) -> None:
    """Against the increment form, which keeps the relative accuracy of a signal of any size."""
    case = make_case("linear", widths=(8,) * 17 + (4,), batch=2, bias=False, **options)
    task = make_task(case, IncrementStateOptimization(case.energy), steps=100, record=("energy",))
    _, rows = settle(task)
    trajectory = system_of(case).trajectory()
    motion = trajectory.descent(rows.clock, 0.1)
    energy, resolution = trajectory.energies(motion), trajectory.resolution(motion)[:, None]
    told = energy > resolution
    assert told[-1].all()
    np.testing.assert_allclose(energy[told], rows.energy[told], rtol=0.1)
    assert (rows.energy <= 2 * resolution)[~told].all()
    assert (np.abs(energy - rows.energy) <= 0.2 * resolution)[~told].all()
    assert (energy[0, :-1] == 0).all()


def test_a_network_without_hidden_layers_stands_still() -> None:
    case = make_case("linear", widths=(5, 3))
    trajectory = system_of(case).trajectory()
    _, rows = settle(make_task(case, steps=2))
    motion = trajectory.descent([0, 1, 2], 0.1)
    np.testing.assert_allclose(trajectory.energies(motion), rows.energy, rtol=1e-13)
    assert trajectory.resolution(motion).tolist() == [0, 0, 0]
    assert trajectory.largest_stable_step == trajectory.system.largest_stable_step() == np.inf
    assert trajectory.system.equilibrium() == ()


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (make_case("tanh"), 'layer 0 has the activation Tanh.*activation = "linear"'),
        (make_case("linear", sigmoid_output=True), "layer 4 has the activation Sigmoid"),
        (make_case("linear", loss="cross-entropy"), "loss is CrossEntropy.*squared-error"),
    ],
    ids=["activation", "output", "loss"],
)
def test_what_is_not_a_deep_linear_network_is_named(case: Case, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        system_of(case)


def test_a_start_that_does_not_fit_and_bad_steps_are_named() -> None:
    case = make_case("linear")
    with pytest.raises(UsageError, match="the start has 18 units for 4 samples"):
        system_of(case).trajectory(case.states[:-1])
    trajectory = system_of(case).trajectory()
    with pytest.raises(UsageError, match=r"steps hold 1\.5"):
        trajectory.descent([1, 1.5], 0.1)
    with pytest.raises(UsageError, match="times hold -1"):
        trajectory.flow([0.0, -1.0])
