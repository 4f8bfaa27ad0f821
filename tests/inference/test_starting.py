"""Training whose inference starts at zeros or at draws: against autodiff, the same on every backend, resumed."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pcsim
from pcsim.errors import Interrupted, ScenarioError, UsageError
from pcsim.inference import StartingAt
from pcsim.inference.draws import normals, seed_words
from pcsim.learning import SGD, AfterEveryStep, Batch, fresh
from pcsim.model.flat import Flat
from tests.support.cases import METHODS, XP, make_case
from tests.support.learning import CASES, RATE, STEP_SIZE, STEPS, assert_same, batches, combined, forward, learner_on
from tests.support.scenario_files import Files
from tests.support.training_files import TRAINING, UPDATES, assert_same_bits, interrupting

SEED = 11


@pytest.mark.usefixtures("jax_in_double")
@pytest.mark.parametrize("normal", [False, True])
@pytest.mark.parametrize("method", ["state", pytest.param("error", marks=pytest.mark.exhaustive)])
def test_ten_updates_follow_automatic_differentiation(method: str, normal: bool) -> None:
    case = make_case(widths=(5, 6, 6, 3), **CASES["tanh"])
    layout = Flat(case.energy.network.state_shapes)
    energy = {"state": case.oracle.energy_of_states, "error": case.oracle.energy_of_errors}[method]

    @jax.jit
    def updated(parameters: Any, x: Any, y: Any, start: Any) -> Any:
        def step(_: int, now: Any) -> Any:
            return combined(lambda z, g: z - STEP_SIZE * g, now, jax.grad(energy)(now, parameters, x, y))

        ended = jax.lax.fori_loop(0, STEPS, step, list(layout.split(start)))
        ended = ended if method == "state" else case.oracle.states_of_errors(ended, parameters, x)
        slopes = jax.grad(case.oracle.energy_of_states, argnums=1)(ended, parameters, x, y)
        return combined(lambda w, g: w - RATE * g / len(x), parameters, slopes), forward(case, parameters, x)[1]

    learner = learner_on(StartingAt(METHODS[method](case.energy), SEED, normal=normal), optimizer=SGD())
    parameters: Any = case.parameters
    ours, memory = case.parameters, fresh(XP, learner, case.parameters)
    for k, (x, y) in enumerate(batches(case), 1):
        samples = 3 * np.arange(len(x)) + k
        found = Batch(XP, learner.drawing_for(samples, k), x, y).learn(ours, memory, RATE, k)
        drawn = normals(XP, seed_words(SEED), k, samples, 0, layout.size)
        expected, output = updated(parameters, x, y, drawn if normal else 0.0 * drawn)
        # What training shows is the feedforward pass, from wherever inference starts.
        np.testing.assert_allclose(found.output, output, rtol=1e-12)
        ours, memory, parameters = found.parameters, found.memory, expected
        assert_same(ours, parameters, 1e-9)


def test_incremental_learning_shows_the_feedforward_pass_too() -> None:
    case = make_case(**CASES["tanh"])
    learner = learner_on(StartingAt(METHODS["state"](case.energy), SEED, normal=True), rule=AfterEveryStep())
    found = Batch(XP, learner, case.x, case.y).learn(case.parameters, fresh(XP, learner, case.parameters), RATE, 1)
    states = forward(case, case.parameters, jnp.asarray(case.x))[1]
    np.testing.assert_allclose(found.output, states, rtol=1e-6)


@pytest.mark.parametrize("start", ["zeros", "normal"])
def test_a_run_is_verified_and_goes_on_to_the_same_bits(
    start: str, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pcsim.learning.training.SECONDS", 0.0)  # a look after every update
    scenario = files.read(TRAINING, f"inference.start={start}")
    with pcsim.run(scenario, path="whole.h5") as trace:
        assert pcsim.verify(trace).tolerance == 0
        assert (np.abs(trace.trained["W_0"] - trace.network["W_0"]) > 0).any()
    with pytest.raises(Interrupted):
        pcsim.run(scenario, path="s.h5", progress=interrupting(2 * UPDATES + 1))
    pcsim.run(scenario, resume="s.h5").close()
    assert_same_bits("s.h5", "whole.h5")


@pytest.mark.exhaustive
@pytest.mark.xla
@pytest.mark.parametrize("words", ["inference.method=error", "inference.form=increment", "learning.rule=incremental"])
def test_another_backend_starts_the_same(words: str, files: Files) -> None:
    given = (words, "inference.start=normal", 'backend.precision="float64"')
    with (
        pcsim.run(files.read(TRAINING, *given)) as ours,
        pcsim.run(files.read(TRAINING, *given), backend="jax") as jaxs,
    ):
        for name, array in ours.trained.items():
            np.testing.assert_allclose(jaxs.trained[name], array, rtol=1e-9, atol=1e-12)


def test_what_it_does_not_go_with_is_said(files: Files) -> None:
    with pytest.raises(UsageError, match="numba has no kernels for a start of inference in training but the feedforw"):
        pcsim.run(files.read(TRAINING, "inference.start=zeros"), backend="numba")
    with pytest.raises(ScenarioError, match=r'start = "normal" does not go with step_size = "auto" in training'):
        files.read(TRAINING, "inference.start=normal", "inference.step_size=auto")
