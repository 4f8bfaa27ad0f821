"""Hybrid predictive coding in whole runs: traces, files, resumption, other starts, and what is refused."""

import signal
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import pcsim
from pcsim.errors import Interrupted, ScenarioError, UsageError
from pcsim.recorded.export import export_weights
from pcsim.scenario import parse_scenario, scenario_text
from pcsim.theory.overlay import theory_of
from tests.support.covering import sampled
from tests.support.training_files import assert_same_bits, interrupting

WIDTHS = (10, 12, 9, 64)


def scenario(
    inference: dict[str, Any] | None = None, amortiser: dict[str, Any] | None = None, **tables: Any
) -> dict[str, Any]:
    """Return a small generator of digits from labels, or with some words from latent units, with its amortiser."""
    found: dict[str, Any] = {
        "seed": 3,
        "network": {"widths": list(WIDTHS), "activation": "tanh", "init": "xavier-normal"},
        "data": {"name": "digits", "task": "generative", "batch": 8, "samples": 96},
        "inference": {"method": "state", "loss": "squared-error", "start": "amortised", "steps": 4} | (inference or {}),
        "learning": {"epochs": 2, "batch": 32, "lr": 0.01},
        "amortiser": {"lr": 0.02} | (amortiser or {}),
        "trace": {"record": ["energy", "states"]},
        "backend": {"name": "numpy", "precision": "float64"},
    }
    for name, words in tables.items():
        found[name] = None if words is None else found[name] | words
    if found["learning"] is None:
        del found["learning"], found["amortiser"], found["data"]["samples"]
    return found


def guesses(arrays: dict[str, NDArray[Any]], y: NDArray[Any]) -> list[NDArray[Any]]:
    """Return the pass of the amortiser among some parameters, the input first."""
    found = [y]
    for i in range(len(WIDTHS) - 2, -1, -1):
        total = found[-1] @ arrays[f"AW_{i}"] + arrays[f"Ab_{i}"]
        found.append(total if i == 0 else np.tanh(total))
    return found[:0:-1]


WAYS: dict[str, dict[str, Any]] = {
    "state": {},
    "increment, automatic": {"form": "increment", "step_size": "auto"},
    "sequential increment": {"method": "sequential", "form": "increment"},
    "augmented-lagrangian, stop": {"method": "augmented-lagrangian", "stop": {"relative_change": 0.05}},
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("way", WAYS)
def test_jax_learns_what_numpy_learns_and_both_start_at_the_guess(way: str) -> None:
    ours, theirs = (pcsim.run(scenario(WAYS[way], backend={"name": name})) for name in ("numpy", "jax"))
    assert any(name.startswith("A") for name in ours.trained)
    for name, array in ours.trained.items():
        np.testing.assert_allclose(theirs.trained[name], array, rtol=1e-7, atol=1e-10, err_msg=name)
    np.testing.assert_allclose(theirs.training["train_loss"], ours.training["train_loss"], rtol=1e-7)
    for trace, tolerance in ((ours, 0.0), (theirs, 1e-13)):
        for i, guess in enumerate(guesses(trace.trained, trace.array("data/y"))[1:]):
            np.testing.assert_allclose(trace.array(f"states/layer_{i}")[0], guess, rtol=tolerance, atol=tolerance)
        assert pcsim.verify(trace).tolerance == 0


SOLVERS = ["numpy euler", "numpy heun", "jax heun", "numpy heun increment"]


@pytest.mark.parametrize("words", sampled(SOLVERS, ["numpy heun increment"]))
def test_so_it_starts_in_continuous_time(words: str) -> None:
    backend, solver, *form = words.split()
    words_of_time = {"solver": solver, "t_end": 0.4, "step_size": 0.1, "form": "increment" if form else "standard"}
    tables = scenario(words_of_time, backend={"name": backend})
    del tables["inference"]["steps"]
    trace = pcsim.run(tables)
    for i, guess in enumerate(guesses(trace.trained, trace.array("data/y"))[1:]):
        np.testing.assert_allclose(trace.array(f"states/layer_{i}")[0], guess, rtol=1e-13, atol=1e-13)
    assert pcsim.verify(trace).tolerance == 0


@pytest.mark.parametrize("backend", sampled(["numpy", "jax"], ["numpy"]))
def test_latent_units_are_guessed_too_and_found_by_fewer_steps(backend: str, tmp_path: Path) -> None:
    free = {"input": "free", "steps": 20, "step_size": 0.2}
    tables = scenario(free, data={"task": "autoencoding"}, learning={"epochs": 15}, backend={"name": backend})
    trace = pcsim.run(tables, path=tmp_path / "run.h5")
    latent, *_ = guesses(trace.trained, trace.array("data/y"))
    np.testing.assert_allclose(trace.array("states/input")[0], latent, rtol=1e-13, atol=1e-13)
    assert pcsim.verify(trace).tolerance == 0
    assert np.isfinite(pcsim.evaluate(trace).training.loss)
    trace.close()

    def steps(start: str) -> int:
        words = {**free, "start": start, "steps": 5000, "stop": {"grad_norm": 0.3}}
        again = scenario(words, data={"task": "autoencoding"}, learning=None, backend={"name": backend})
        del again["network"]["init"]
        again["network"]["weights"] = str(tmp_path / "run.h5")
        return len(pcsim.run(again).steps)

    amortised = steps("amortised")
    assert all(amortised < 0.6 * steps(start) for start in ("feedforward", "zeros", "normal"))


def test_the_network_is_drawn_as_without_an_amortiser() -> None:
    bare = scenario({"start": "feedforward"})
    del bare["amortiser"]
    ours, theirs = pcsim.run(scenario()).network, pcsim.run(bare).network
    assert {name for name in ours if name not in theirs} == {f"A{name}_{i}" for name in "Wb" for i in range(3)}
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[name], array)


def test_its_arrays_share_the_units_of_their_layers(tmp_path: Path) -> None:
    pcsim.run(scenario(trace={"record": ["weight_gradient"]}), path=tmp_path / "run.h5").close()
    with h5py.File(tmp_path / "run.h5") as file:
        for group in ("network", "final/network", "final/gradient"):
            for name, dims in (("AW_0", ["unit_0", "unit_in"]), ("AW_2", ["unit_2", "unit_1"]), ("Ab_1", ["unit_0"])):
                array: Any = file[f"{group}/{name}"]
                assert [scale[0].name.rpartition("/")[2] for scale in array.dims] == dims


def test_files_bring_it_along_and_leave_it_behind_where_inference_starts_otherwise(tmp_path: Path) -> None:
    trace = pcsim.run(scenario(), path=tmp_path / "run.h5")
    learned = dict(trace.trained)
    for layout in ("pcsim", "torch"):
        file = tmp_path / f"{layout}.npz"
        export_weights(trace, file, layout=layout)
        further = pcsim.run(parse_scenario(scenario_text(read(trace))), [f"network.weights={file}"])
        for name, array in learned.items():
            np.testing.assert_array_equal(further.network[name], array)
    assert np.load(tmp_path / "torch.npz")["AW0"].shape == (10, 12)
    other = pcsim.evaluate(trace, "inference.start=feedforward")
    assert other.training.loss == pcsim.evaluate(trace).training.loss
    trace.close()
    plain = scenario({"start": "zeros"}, learning=None)
    del plain["network"]["init"]
    for file in ("run.h5", "pcsim.npz"):
        plain["network"]["weights"] = str(tmp_path / file)
        np.testing.assert_array_equal(pcsim.run(plain).network["W_0"], learned["W_0"])


def read(trace: pcsim.Trace) -> pcsim.Scenario:
    return parse_scenario(trace.provenance["scenario"])


def test_a_run_that_was_broken_off_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole.h5", tmp_path / "broken.h5"
    tables = scenario(amortiser={"optimizer": "momentum"}, learning={"optimizer": "adam", "epochs": 3})
    pcsim.run(tables, path=whole).close()
    with pytest.raises(Interrupted):
        pcsim.run(tables, path=broken, progress=interrupting(4, signal.SIGINT))
    pcsim.run(tables, resume=broken).close()
    assert_same_bits(whole, broken)


def test_learn_moves_it_from_a_trace() -> None:
    trace = pcsim.run(scenario(amortiser={"optimizer": "sgd"}))
    update, held = pcsim.learn_from(trace), dict(trace.trained)
    x, y = trace.array("data/x"), trace.array("data/y")
    read_by = [*guesses(held, y)[1:], y]
    error = x - guesses(held, y)[0]
    slope = -read_by[0].T @ error / len(y)
    np.testing.assert_allclose(update.gradient["AW_0"], slope, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(update.parameters["AW_0"], held["AW_0"] - 0.02 * slope, rtol=1e-12)
    plain = pcsim.learn_from(pcsim.run(scenario(learning=None)))
    assert "AW_2" in plain.gradient


def test_theory_of_linear_networks_starts_there_too() -> None:
    tables = scenario(network={"activation": "linear"}, learning=None)
    tables["amortiser"] = {"activation": "linear"}
    trace = pcsim.run(tables)
    np.testing.assert_allclose(theory_of(trace).energy, trace.energy, rtol=1e-9)
    inspected = pcsim.inspect(read(trace))
    assert inspected.energy == pytest.approx(trace.energy[0].sum(), rel=1e-9)
    assert inspected.automatic is not None


@pytest.mark.parametrize(
    ("tables", "line"),
    [
        (scenario({"method": "error"}), 'start = "amortised" does not go with method = "error"; choose state or'),
        (scenario({"method": "equilibrium"}), 'does not go with method = "equilibrium"'),
        (scenario({"method": "equilibrium-propagation"}), 'does not go with method = "equilibrium-propagation"'),
        (scenario({"error_steps": 2}), "does not go with error_steps = 2, which begin with errors"),
        (scenario({"output": "free"}, learning=None), 'with output = "free", of which it would be guessed'),
        (scenario(learning={"rule": "incremental"}), 'does not go with learning.rule = "incremental"'),
        (
            scenario({"start": "feedforward"}),
            "amortiser is not used by start 'feedforward'; remove it, or write start =",
        ),
        (scenario(learning=None) | {"amortiser": {"lr": 0.1}}, r"amortiser.lr is not used without \[learning\]"),
        (scenario(amortiser={"optimizer": "lion"}), "lion"),
        (scenario(amortiser={"init": "normal"}), "init"),
        (scenario(amortiser={"tempo": 3}), r"unknown key 'tempo' in \[amortiser\]"),
    ],
)
def test_words_that_do_not_go_together_are_one_line(tables: dict[str, Any], line: str) -> None:
    with pytest.raises(ScenarioError, match=line) as caught:
        pcsim.run(tables)
    assert len(caught.value.problems) == 1, caught.value.problems


def test_listed_layers_have_none() -> None:
    tables = scenario()
    tables["network"] = {"input": 10, "activation": "tanh", "layers": [{"dense": 9}, {"dense": 64}]}
    with pytest.raises(ScenarioError, match=r"network\.layers, which an amortiser would have to go back through"):
        pcsim.run(tables)


@pytest.mark.parametrize("backend", ["numba", "exact"])
def test_what_cannot_start_so_says_so(backend: str) -> None:
    tables = scenario(learning=None, backend={"name": backend})
    if backend == "exact":
        tables["backend"]["precision"] = "exact"
    line = (
        f"inference.start: backend '{backend}' has no amortised start; choose another, or use the backend jax or numpy"
    )
    with pytest.raises(UsageError, match=line):
        pcsim.run(tables)
