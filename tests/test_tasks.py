"""Tasks from scenario files: generative and autoencoding, free ends, and evaluation by inference."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pcsim_numpy.trainer import NumpyTrainer

import pcsim
from pcsim.backend import TrainingBackend
from pcsim.cli import call
from pcsim.errors import Interrupted, UsageError
from pcsim.free_input import FreeInputTrainer
from pcsim.learning.evaluation import ForwardPass, LabelInference, Reconstruction
from pcsim.scenario import read_scenario
from pcsim.simulation import prepare
from pcsim.theory.overlay import theory_of
from pcsim.verification import verify
from tests.cases import XP
from tests.scenario_files import Files
from tests.training_files import assert_same_bits, interrupting, only_line

TEXT = """\
[network]
widths = [10, 24, 64]
activation = "tanh"
init = "xavier-normal"

[data]
name = "digits"
task = "generative"
batch = 8

[inference]
method = "state"
loss = "squared-error"
steps = 10
step_size = 0.1

[backend]
precision = "float64"
"""
LEARNING = "\n[learning]\nlr = 1e-2\nepochs = 2\nbatch = 64\n"
FREE = "inference.input=free"
AUTO = ("data.task=autoencoding", "network.widths=[64,12,64]")
UNSUPERVISED = ("data.task=autoencoding", FREE)
STATES = 'trace.record=["energy","grad_norm","states","errors","energy_per_sample","weight_gradient"]'


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.chdir(tmp_path)
    return Files(tmp_path)


def test_each_task_has_its_input_and_target(files: Files) -> None:
    digits = prepare(files.read(TEXT, "data.task=supervised", "network.widths=[64,10]")).inputs
    assert (digits.x.shape, digits.y.shape) == ((8, 64), (8, 10))
    swapped = prepare(files.read(TEXT)).inputs
    np.testing.assert_array_equal(swapped.x, digits.y)
    np.testing.assert_array_equal(swapped.y, digits.x)
    same = prepare(files.read(TEXT, *AUTO)).inputs
    np.testing.assert_array_equal(same.x, digits.x)
    np.testing.assert_array_equal(same.y, digits.x)
    free = prepare(files.read(TEXT, *UNSUPERVISED, "network.widths=[3,64]")).inputs
    np.testing.assert_array_equal(free.x, np.zeros((8, 3)))
    np.testing.assert_array_equal(free.y, digits.x)
    aimless = prepare(files.read(TEXT, "inference.output=free", "network.widths=[10,7]")).inputs
    np.testing.assert_array_equal(aimless.y, np.zeros((8, 7)))


def test_a_free_input_starts_where_the_scenario_says(files: Files) -> None:
    normal = prepare(files.read(TEXT, FREE, "inference.start=normal")).task
    more = prepare(files.read(TEXT, FREE, "inference.start=normal", "data.batch=9")).task
    assert normal.initial is not None
    assert 0.8 < normal.x.std() < 1.2
    np.testing.assert_array_equal(more.x[:8], normal.x)
    zeros = prepare(files.read(TEXT, FREE, "inference.start=zeros")).task
    assert zeros.initial is not None
    assert not zeros.x.any()
    assert not zeros.initial[0].any()
    assert [array.shape for array in zeros.initial] == [(8, 24)]


@pytest.mark.parametrize(
    "changes",
    [
        (),
        ("inference.method=error",),
        ("inference.start=normal",),
        ("inference.form=increment", "backend.precision=float32"),
        ("inference.solver=euler", "inference.step_size=0.1", "inference.t_end=1.0"),
        ("backend.name=jax",),
        ("backend.name=exact", "backend.precision=exact", "inference.steps=3"),
    ],
    ids=str,
)
def test_a_trace_keeps_the_input_and_is_verified(files: Files, changes: tuple[str, ...]) -> None:
    with pcsim.run(files.read(TEXT, FREE, STATES, *changes), path="s.h5") as trace:
        assert tuple(trace.layer_names) == ("layer 0", "output")
        assert trace.energy.shape[1] == 2
        inferred = trace.final_input
        assert inferred is not None
        assert inferred.shape == (8, 10)
        assert np.abs(inferred).max() > 0
        np.testing.assert_array_equal(trace.array("states/input")[-1], inferred)
        assert trace.states(0).shape[1:] == (8, 24)
        assert trace.attributes["free"] == "input"
        found = verify(trace)
    assert found.agrees
    assert found.tolerance == 0
    assert {"final input", "states", "final states"} <= set(found.compared)


def test_the_commands_take_a_trace_with_a_free_input(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.write(TEXT)
    assert call(["run", "s.toml", "--set", FREE]) == 0
    for command in (["replay", "s.h5", "--verify"], ["plot", "s.h5"], ["replay", "s.h5"]):
        assert call(command) == 0
    compared = ["compare", "s.toml", "--set", FREE, "--precision", "float32,float64", "--form", "increment", "-o", "c"]
    assert call(compared) == 0
    said = capsys.readouterr().out
    assert "(the same bits)" in said
    assert "final input" in said
    with pcsim.open_trace("s.h5") as trace, pytest.raises(UsageError, match='no theory for a run with input = "free"'):
        theory_of(trace)


def test_another_input_is_a_deviation(files: Files) -> None:
    import h5py

    pcsim.run(files.read(TEXT, FREE), path="s.h5").close()
    file: Any
    with h5py.File("s.h5", "r+") as file:
        file["final/input"][0, 0] += 1
    with pcsim.open_trace("s.h5") as trace:
        found = verify(trace)
    assert not found.agrees
    assert found.deviation[1] == 0


def test_a_free_output_is_a_forward_pass(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.write(TEXT)
    assert call(["run", "s.toml", "--set", "inference.output=free"]) == 0
    assert "No signal" not in capsys.readouterr().out
    assert call(["plot", "s.h5"]) == call(["replay", "s.h5", "--verify"]) == 0
    with pcsim.open_trace("s.h5") as trace:
        task = prepare(files.read(TEXT)).task
        forward = task.inference.energy.network.outputs(XP, task.parameters, task.x)
        np.testing.assert_allclose(trace.final_output, forward, rtol=0, atol=1e-14)
        assert not trace.energy.any()
        assert trace.attributes["free"] == "output"


def test_labels_are_inferred_as_a_run_of_their_own_would(files: Files) -> None:
    with pcsim.run(files.read(TEXT + LEARNING, "data.batch=40")) as trace:
        trained = tuple({k: trace.trained[f"{k}_{i}"] for k in ("W", "b")} for i in range(2))
        shown = trace.training["test_accuracy"][-1]
    lesson = prepare(files.read(TEXT + LEARNING)).lesson
    assert lesson is not None
    assert lesson.task.evaluation == LabelInference() == lesson.course.evaluation
    assert lesson.samples.test is not None
    x, y = lesson.samples.test
    trainer = NumpyTrainer(lesson.task)
    trainer.restore(trainer.snapshot()._replace(parameters=trained))
    outcome = trainer.evaluate(x, y)
    assert shown == np.mean(outcome.answers.argmax(axis=1) == x.argmax(axis=1))
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


@pytest.mark.parametrize("changes", [(), AUTO, UNSUPERVISED, (*UNSUPERVISED, "learning.rule=incremental")], ids=str)
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
    assert simulation.lesson is not None
    assert simulation.lesson.task.evaluation == Reconstruction()
    assert isinstance(simulation.backend, TrainingBackend)
    assert isinstance(simulation.trainer(), FreeInputTrainer)
    with pcsim.run(scenario) as trace:
        history = trace.training
        assert history["energy"].shape == (88, 2)
        assert np.isnan(history["test_accuracy"]).all()
        # Better than the mean image can do, which is what an input that carries nothing amounts to.
        digits = simulation.lesson.samples.train.y
        alone = 0.5 * np.sum((digits - digits.mean(axis=0)) ** 2, axis=1).mean()
        assert history["test_loss"][-1] < 0.8 * alone
        assert abs(history["train_loss"][-1] / history["test_loss"][-1] - 1) < 0.4
        assert trace.final_input is not None


def test_the_loss_of_a_reconstruction_is_that_of_the_inferred_input(files: Files) -> None:
    simulation = prepare(files.read(TEXT + LEARNING, *UNSUPERVISED, "data.batch=20"))
    assert simulation.lesson is not None
    x, y = (part[:20] for part in simulation.lesson.samples.train)
    trainer: Any = simulation.trainer()
    outcome = trainer.evaluate(x, y)
    settled = simulation.backend.settle(simulation.task, lambda block: None, lambda clock: False)
    outputs = simulation.network.outputs(XP, simulation.inputs.parameters, settled.input)
    np.testing.assert_allclose(outcome.answers, outputs, rtol=0, atol=1e-12)
    np.testing.assert_allclose(outcome.losses, 0.5 * np.sum((outputs - y) ** 2, axis=1), rtol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "jax"])
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
        lesson = prepare(scenario).lesson
        assert lesson is not None
        assert lesson.task.evaluation == ForwardPass()
        with pcsim.run(scenario) as trace:
            assert trace.training["validation_loss"][-1] < trace.training["validation_loss"][0]
            assert np.isnan(trace.training["train_accuracy"]).all()


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            ("network.widths=[7,64]",),
            "network.widths=[7,64]: data 'digits': labels run 0..9 but the network has 7 input units; "
            "begin network.widths (or network.input) with 10",
        ),
        (
            ("network.widths=[10,10]",),
            "network.widths=[10,10]: the last width is 10, but a sample of the data 'digits', the target of task = "
            '"generative", has 64 values (shape (8, 8)); set the last width to 64',
        ),
        (
            (*AUTO, "inference.loss=cross-entropy"),
            "inference.loss=cross-entropy: cross-entropy takes targets of 0 or more, but the target of sample 0, unit "
            '0 is -1 (task = "autoencoding" makes the samples the targets); use loss = "squared-error"',
        ),
        ((FREE, "inference.output=free"), 'inference.input and inference.output are both "free"'),
        ((FREE, "inference.predictions=fixed"), 'inference.input = "free" does not go with predictions = "fixed"'),
    ],
)
def test_what_does_not_fit_is_one_line(
    files: Files, capsys: pytest.CaptureFixture[str], changes: tuple[str, ...], line: str
) -> None:
    files.write(TEXT)
    given = [word for change in changes for word in ("--set", change)]
    assert line in only_line(capsys, ["check", "s.toml", *given], code=2)


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


def test_backpropagation_moves_no_input(files: Files) -> None:
    text = TEXT.replace('"state"', '"backprop"').replace("steps = 10\nstep_size = 0.1\n", 'input = "free"\n')
    (problem,) = files.problems(text)
    assert "inference.input is not used by method 'backprop'; remove it" in problem


def test_the_shipped_scenarios_learn() -> None:
    with pcsim.run(read_scenario("generate-digits", ["learning.epochs=2", "inference.steps=30"])) as trace:
        assert trace.training["test_accuracy"][-1] > 0.65
        assert trace.training["train_accuracy"][-1] > 0.65
    with pcsim.run(read_scenario("autoencode-digits", ["learning.epochs=4"])) as trace:
        assert trace.training["test_loss"][-1] < 0.6 * trace.training["test_loss"][0]
        assert trace.training["test_loss"][-1] < 3.5
