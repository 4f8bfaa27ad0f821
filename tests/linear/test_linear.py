"""Deep linear networks: Hessian, spectrum, equilibrium and energies against other programs, algebra and simulation."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pcsim
from pcsim.errors import UsageError
from pcsim.linear import LinearSystem, condition_numbers, linear_system, system
from pcsim.scenario import read_scenario
from tests.support.cases import Case, make_case
from tests.support.covering import covering
from tests.support.places import GOLDEN

pytestmark = pytest.mark.usefixtures("jax_in_double")

NETWORKS: list[dict[str, Any]] = [
    {},
    {"activation_first": True, "skip": 1, "mupc": True},
    {"skip": 2, "precisions": True, "widths": (6, 6, 6, 6, 6, 6, 3)},
    {"skip": 3, "clamp_precision": 0.7, "bias": False, "widths": (5, 6, 6, 6, 6, 6, 6, 3)},
    {"decays": True, "precisions": True, "widths": (4, 7, 3, 5, 2)},
    {"mupc": True, "widths": (5, 4, 3)},
]


def system_of(case: Case, *, free: bool = False) -> LinearSystem:
    if free:
        return linear_system(case.energy.with_free_input(), ({}, *case.parameters), case.x, case.y)
    return linear_system(case.energy, case.parameters, case.x, case.y)


@pytest.mark.parametrize("name", ["linear-sp", "linear-mupc"])
def test_what_other_programs_found(name: str) -> None:
    expected = np.load(GOLDEN / name / "expected.npz")
    system = pcsim.linear.system(GOLDEN / name / "scenario.toml")
    np.testing.assert_allclose(system.hessian(), expected["hessian"], rtol=0, atol=1e-14)
    np.testing.assert_allclose(system.rescaling(), expected["rescaling"], rtol=1e-13)
    assert system.condition_number() == pytest.approx(float(expected["hessian_condition"]), rel=1e-12)
    for i, states in enumerate(system.equilibrium()):
        np.testing.assert_allclose(states, expected[f"equilibrium_state_{i}"], rtol=0, atol=1e-13)
    errors = system.errors(system.join(system.equilibrium()))
    np.testing.assert_allclose(system.layerwise(errors), expected["equilibrium_energy"], rtol=1e-12)
    assert system.equilibrated_energy().mean() == pytest.approx(expected["equilibrium_energy"].sum(), rel=1e-12)


@covering(options=NETWORKS, free={"clamped": False, "free": True})
def test_hessian_and_equilibrium_are_automatic_differentiations(options: dict[str, Any], free: bool) -> None:
    if free and not options.get("decays"):
        options = {**options, "widths": (2, *options.get("widths", (5, 6, 6, 6, 6, 3))[1:])}
    case = make_case("linear", **options, batch=3)
    system = system_of(case, free=free)

    def energy(flat: Any, x: Any, y: Any) -> Any:
        states = [part[None] for part in jnp.split(flat, np.cumsum(system.units[:-1])[:-1])]
        first, rest = (states[0], states[1:]) if free else (x[None], states)
        return case.oracle.energy_of_states(rest, case.parameters, first, y[None])

    def derivatives(at: Any) -> Any:
        gradients = jax.vmap(jax.grad(energy), (None, 0, 0))
        return jax.hessian(energy)(at, case.x[0], case.y[0]), gradients(at, case.x, case.y)

    expected, gradient = map(np.asarray, jax.jit(derivatives)(jnp.zeros(system.unknowns)))
    operator: Any = system.operator()
    found = (system.hessian(), system.sparse_hessian().toarray(), operator.matmat(np.eye(system.unknowns)))
    for matrix in found:
        np.testing.assert_allclose(matrix, expected, rtol=0, atol=1e-13)
    values = np.linalg.eigvalsh(expected)
    np.testing.assert_allclose(system.eigenvalues(), values, rtol=0, atol=1e-13 * values[-1])
    assert system.condition_number() == pytest.approx(values[-1] / values[0], rel=1e-10)
    assert system.largest_stable_step() == pytest.approx(2 / values[-1], rel=1e-12)
    rest = np.linalg.solve(expected, -gradient.T).T
    np.testing.assert_allclose(system.join(system.equilibrium()), rest, rtol=1e-10, atol=1e-12)
    energies = jax.jit(jax.vmap(energy))(rest, case.x, case.y)
    np.testing.assert_allclose(system.equilibrated_energy(), energies, rtol=1e-11)


@pytest.mark.parametrize("options", [n for n in NETWORKS if "decays" not in n], ids=str)
def test_the_rescaling_gives_the_equilibrated_energy(options: dict[str, Any]) -> None:
    system = system_of(make_case("linear", **options))
    r, rescaling = system.residual(), system.rescaling()
    expected = 0.5 * np.sum(r * np.linalg.solve(rescaling, r.T).T, axis=1)
    np.testing.assert_allclose(system.equilibrated_energy(), expected, rtol=1e-12)


def test_one_hidden_unit_has_the_energy_of_the_trust_region_paper() -> None:
    case = make_case("linear", widths=(1, 1, 1), bias=False)
    first, second = (float(layer["W"][0, 0]) for layer in case.parameters)
    loss = 0.5 * (case.y - second * first * case.x)[:, 0] ** 2
    np.testing.assert_allclose(system_of(case).equilibrated_energy(), loss / (1 + second**2), rtol=1e-12)


SCENARIO = """
[network]
widths = [64, 12, 12, 12, 12, 10]
activation = "linear"
init = "xavier-normal"
[data]
name = "digits"
batch = 4
[inference]
method = "error"
loss = "squared-error"
steps = 5000
step_size = 0.1
stop = { grad_norm = 1e-11 }
[backend]
name = "numpy"
precision = "float64"
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "linear.toml"
    path.write_text(SCENARIO)
    return path


OVERRIDES = [
    ("network.skip=2",),
    ("network.skip=true", "network.parametrisation=mupc", "network.order=activation-first"),
    ("inference.method=state", "inference.step_size=0.3"),
    ("inference.method=state", "inference.step_size=0.3", "network.activity_decay=0.1"),
    ("network.widths=[4,12,12,64]", "data.task=autoencoding", "inference.input=free"),
]


@pytest.mark.parametrize("overrides", OVERRIDES, ids=str)
def test_theory_is_where_simulation_goes(scenario: Path, overrides: tuple[str, ...]) -> None:
    reading = pcsim.read_scenario(scenario, overrides)
    with pcsim.run(reading) as trace:
        assert trace.attributes["converged"] == 1
        before, after = pcsim.linear.system(reading), pcsim.linear.system(trace)
        states = [*trace.final_states[:-1]]
        if "final/input" in trace:
            states.insert(0, trace.array("final/input"))
        for ours, theirs in zip(before.equilibrium(), states, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)
        decayed = 0.05 * sum(np.sum(s**2) for s in states) / 4 if "network.activity_decay=0.1" in overrides else 0.0
        energy = before.equilibrated_energy().mean()
        assert trace.energy[-1].sum() + decayed == pytest.approx(energy, rel=1e-9)
        assert after.equilibrated_energy().mean() == pytest.approx(energy, rel=1e-14)


@pytest.mark.parametrize("skip", [0, 2])
def test_what_is_found_without_the_matrix_is_what_the_matrix_has(skip: int) -> None:
    case = make_case("linear", widths=(9, *(90,) * 8, 4), skip=skip, gain=1.0)
    system = system_of(case)
    values = np.linalg.eigvalsh(system.hessian())
    assert system.unknowns == 720
    assert system.condition_number() == pytest.approx(values[-1] / values[0], rel=1e-10)
    assert system.largest_stable_step() == pytest.approx(2 / values[-1], rel=1e-11)


def test_condition_numbers_over_widths_and_depths(scenario: Path) -> None:
    reading = pcsim.read_scenario(scenario, ("network.bias=false",))
    found = condition_numbers(reading, widths=[3, 12], hidden_layers=[1, 4, 6])
    assert found.shape == (3, 2)
    assert found[1, 1] == pytest.approx(pcsim.linear.system(reading).condition_number(), rel=1e-12)
    smaller = pcsim.read_scenario(scenario, ("network.bias=false", "network.widths=[64,3,10]"))
    assert found[0, 0] == pytest.approx(pcsim.linear.system(smaller).condition_number(), rel=1e-12)


def test_limits_are_said_in_a_line() -> None:
    wide = system_of(make_case("linear", widths=(1, 6001, 1), batch=1, bias=False))
    with pytest.raises(UsageError, match=r"6001 rows, and up to 6000.*sparse_hessian\(\)"):
        wide.hessian()
    with pytest.raises(UsageError, match="6001 rows"):
        wide.trajectory()
    narrow = system_of(make_case("linear"), free=True)
    for ask in (narrow.equilibrium, narrow.condition_number, narrow.equilibrated_energy):
        with pytest.raises(UsageError, match=r"no unique equilibrium.*no layer narrower than the input"):
            ask()
    with pytest.raises(UsageError, match="no rescaling with a free input"):
        narrow.rescaling()
    with pytest.raises(UsageError, match="no rescaling with activity decay"):
        system_of(make_case("linear", decays=True)).rescaling()


def test_a_hessian_that_would_not_fit_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pcsim.linear.quadratic.MOST_BYTES", 2000)
    system = system_of(make_case("linear"))
    with pytest.raises(UsageError, match=r"of 24 unknowns and its Cholesky factor would take .* GB"):
        system.condition_number()
    assert system.largest_stable_step() > 0


def test_a_grid_of_sizes_does_not_take_what_speaks_of_one(scenario: Path) -> None:
    reading = pcsim.read_scenario(scenario, ("network.precisions=[1.0,1.0,1.0,2.0]",))
    with pytest.raises(UsageError, match=r"network\.precisions=.*: speaks of one size"):
        condition_numbers(reading, [2], [2])


def test_a_grid_goes_on_where_rounding_hides_the_smallest_eigenvalue(scenario: Path) -> None:
    options = ["network.skip=true", "network.order=activation-first"]
    grid = condition_numbers(read_scenario(scenario, options), [4, 48], [2, 64])
    assert np.isfinite(grid[0]).all()
    assert grid[1, 1] == np.inf


@pytest.mark.parametrize("seed", range(6))
def test_a_free_input_that_a_narrow_layer_hides_has_no_equilibrium(seed: int) -> None:
    options = ['network.init="kaiming-normal"', "network.hidden={layers=1,width=9}", 'inference.input="free"']
    found = system(read_scenario("deep-linear", [*options, f"seed={seed}"]))
    with pytest.raises(UsageError, match=r"no unique equilibrium.*no layer narrower"):
        found.equilibrium()
    decayed = system(read_scenario("deep-linear", [*options, f"seed={seed}", "network.activity_decay=0.3"]))
    with pytest.raises(UsageError, match=r"or make the layers that read the input as wide as it$"):
        decayed.equilibrium()
