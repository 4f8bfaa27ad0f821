"""Training of the tasks beside the supervised one: generative and autoencoding, and evaluation by inference."""

from typing import Any

import numpy as np
import pytest
from pcsim_numpy.trainer import NumpyTrainer

import pcsim
from pcsim.engine.backend import TrainingBackend
from pcsim.engine.free_input import FreeInputTrainer
from pcsim.errors import Interrupted, UsageError
from pcsim.learning.evaluation import ForwardPass, LabelInference, Reconstruction
from pcsim.learning.pixels import whole
from pcsim.runs.simulation import prepare
from pcsim.scenario import read_scenario
from tests.runs.test_tasks import AUTO, FREE, TEXT, UNSUPERVISED
from tests.support.cases import XP
from tests.support.covering import sampled
from tests.support.scenario_files import Files
from tests.support.training_files import assert_same_bits, interrupting

LEARNING = "\n[learning]\nlr = 1e-2\nepochs = 2\nbatch = 64\n"


def test_labels_are_inferred_as_a_run_of_their_own_would(files: Files) -> None:
    with pcsim.run(files.read(TEXT + LEARNING, "data.batch=40")) as trace:
        trained = tuple({k: trace.trained[f"{k}_{i}"] for k in ("W", "b")} for i in range(2))
        shown = trace.training["test_accuracy"][-1]
    setup = prepare(files.read(TEXT + LEARNING)).training
    assert setup is not None
    assert setup.task.evaluation == LabelInference() == setup.plan.evaluation
    assert setup.samples.test is not None
    x, y = setup.samples.test
    trainer = NumpyTrainer(setup.task)
    trainer.restore(trainer.snapshot()._replace(parameters=trained))
    outcome = trainer.evaluate(x, y)
    assert shown == np.mean(outcome.answers.argmax(axis=1) == whole(x).argmax(axis=1))
    assert shown > 0.5
    # The same by hand: states and input follow the gradient of a squared error, from a forward pass of zeros.
    (w, b), (v, c) = ((p["W"], p["b"]) for p in trained)
    s, z = np.zeros_like(x), np.tanh(np.zeros_like(x) @ w + b)
    for _ in range(10):
        f = np.tanh(s @ w + b)
        below, above = z - f, y - (z @ v + c)
        s, z = s + 0.1 * (below * (1 - f**2)) @ w.T, z - 0.1 * (below - above @ v.T)
    np.testing.assert_allclose(outcome.answers, s, rtol=0, atol=1e-12)
    losses = 0.5 * np.sum((np.tanh(x @ w + b) @ v + c - y) ** 2, axis=1)
    np.testing.assert_allclose(outcome.losses, losses, rtol=1e-12)


TASKS = {"generative": (), "auto": AUTO, "free": UNSUPERVISED, "steps": (*UNSUPERVISED, "learning.rule=incremental")}


@pytest.mark.parametrize("changes", sampled(TASKS, []))
def test_jax_trains_and_evaluates_as_numpy_does(files: Files, changes: tuple[str, ...]) -> None:
    traces = [pcsim.run(files.read(TEXT + LEARNING, *changes, f"backend.name={name}")) for name in ("numpy", "jax")]
    ours, theirs = (trace.training for trace in traces)
    for name in ("energy", "loss", "train_loss", "test_loss", "train_accuracy", "test_accuracy"):
        assert ours[name].shape == theirs[name].shape
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-6, atol=1e-12)
    for name, array in traces[0].trained.items():
        np.testing.assert_allclose(traces[1].trained[name], array, rtol=0, atol=1e-7)
    assert traces[0].trained.keys() == traces[0].network.keys()
    assert ours["test_loss"][-1] < ours["test_loss"][0]


def test_samples_alone_are_enough_to_learn_from(files: Files) -> None:
    scenario = files.read(TEXT + LEARNING, *UNSUPERVISED, "network.widths=[6,24,64]", "learning.epochs=4")
    simulation = prepare(scenario)
    assert simulation.training is not None
    assert simulation.training.task.evaluation == Reconstruction()
    assert isinstance(simulation.backend, TrainingBackend)
    assert isinstance(simulation.trainer(), FreeInputTrainer)
    with pcsim.run(scenario) as trace:
        history = trace.training
        assert history["energy"].shape == (88, 2)
        assert np.isnan(history["test_accuracy"]).all()
        # Better than the mean image can do, which is what an input that carries nothing amounts to.
        digits = simulation.training.samples.train.y
        alone = 0.5 * np.sum((digits - digits.mean(axis=0)) ** 2, axis=1).mean()
        assert history["test_loss"][-1] < 0.8 * alone
        assert abs(history["train_loss"][-1] / history["test_loss"][-1] - 1) < 0.4
        assert trace.final_input is not None


def test_the_loss_of_a_reconstruction_is_that_of_the_inferred_input(files: Files) -> None:
    simulation = prepare(files.read(TEXT + LEARNING, *UNSUPERVISED, "data.batch=20"))
    assert simulation.training is not None
    x, y = (part[:20] for part in simulation.training.samples.train)
    trainer: Any = simulation.trainer()
    outcome = trainer.evaluate(x, y)
    settled = simulation.backend.settle(simulation.task, lambda block: None, lambda clock: False)
    outputs = simulation.network.outputs(XP, simulation.inputs.parameters, settled.input)
    np.testing.assert_allclose(outcome.answers, outputs, rtol=0, atol=1e-12)
    np.testing.assert_allclose(outcome.losses, 0.5 * np.sum((outputs - y) ** 2, axis=1), rtol=1e-12)


@pytest.mark.parametrize("backend", sampled(["numpy", "jax"], ["numpy"]))
def test_an_interrupted_training_with_a_free_input_goes_on_to_the_same_bits(files: Files, backend: str) -> None:
    scenario = files.read(TEXT + LEARNING, *UNSUPERVISED, f"backend.name={backend}")
    pcsim.run(scenario, path="whole.h5").close()
    with pytest.raises(Interrupted):
        pcsim.run(scenario, path="cut.h5", progress=interrupting(22))
    pcsim.run(scenario, resume="cut.h5").close()
    assert_same_bits("whole.h5", "cut.h5")


def test_a_regression_is_evaluated_by_forward_passes(files: Files) -> None:
    changes = ("data.name=gaussian-line", "network.widths=[1,4,1]", "learning.epochs=3", "data.validation=0.1")
    for task in ("supervised", "generative"):
        scenario = files.read(TEXT + LEARNING, *changes, f"data.task={task}")
        setup = prepare(scenario).training
        assert setup is not None
        assert setup.task.evaluation == ForwardPass()
        with pcsim.run(scenario) as trace:
            assert trace.training["validation_loss"][-1] < trace.training["validation_loss"][0]
            assert np.isnan(trace.training["train_accuracy"]).all()


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            ("inference.output=free",),
            'inference.output = "free" does not go with [learning], which learns from',
        ),
        ((FREE,), 'inference.input = "free" does not go with [learning] and data.task = "generative"'),
        ((FREE, "data.task=supervised"), 'does not go with [learning] and data.task = "supervised", whose inputs'),
    ],
)
def test_what_cannot_be_learned_is_one_line(files: Files, changes: tuple[str, ...], line: str) -> None:
    (problem,) = files.problems(TEXT + LEARNING, *changes)
    assert line in problem


def test_eval_infers_labels_as_training_did(files: Files) -> None:
    with pcsim.run(files.read(TEXT + LEARNING), path="s.h5") as trace:
        history = trace.training
        scores = pcsim.evaluate(trace)
        assert scores.test is not None
        for score, part in ((scores.training, "train"), (scores.test, "test")):
            assert score.accuracy == history[f"{part}_accuracy"][-1]
            assert score.top_5 == history[f"{part}_top5"][-1]
        assert scores.test.loss == pytest.approx(history["test_loss"][-1], rel=1e-14)
        with pytest.raises(UsageError, match=r"inference\.output=free: there are no targets to evaluate with"):
            pcsim.evaluate(trace, ["inference.output=free"], scenario=files.write(TEXT, "o.toml"))


def test_eval_reconstructs_as_training_did(files: Files) -> None:
    with pcsim.run(files.read(TEXT + LEARNING, *UNSUPERVISED)) as trace:
        scores = pcsim.evaluate(trace)
        assert scores.test is not None
        assert scores.test.loss == pytest.approx(trace.training["test_loss"][-1], rel=1e-14)
        assert scores.test.accuracy is None
        flow = [*UNSUPERVISED, "inference.solver=dopri5", "inference.t_end=1.0"]
        with pytest.raises(UsageError, match="free inputs are inferred in discrete steps"):
            pcsim.evaluate(trace, flow, scenario=files.write(TEXT, "f.toml"))


def test_backpropagation_infers_no_labels(files: Files) -> None:
    changes = ("inference.method=backprop", "learning.rule=backprop", "learning.epochs=1")
    with pcsim.run(files.read(TEXT + LEARNING, *changes)) as trace:
        assert np.isnan(trace.training["test_accuracy"]).all()


def test_the_shipped_scenarios_learn() -> None:
    with pcsim.run(read_scenario("generate-digits", ["learning.epochs=2", "inference.steps=30"])) as trace:
        assert trace.training["test_accuracy"][-1] > 0.65
        assert trace.training["train_accuracy"][-1] > 0.65
    with pcsim.run(read_scenario("autoencode-digits", ["learning.epochs=4"])) as trace:
        assert trace.training["test_loss"][-1] < 0.6 * trace.training["test_loss"][0]
        assert trace.training["test_loss"][-1] < 3.5
