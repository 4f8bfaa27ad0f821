"""Tasks from scenario files: generative and autoencoding, free ends, and evaluation by inference."""

from typing import Any

import numpy as np
import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.errors import UsageError
from pcsim.recorded.verification import verify
from pcsim.runs.simulation import prepare
from pcsim.theory.overlay import theory_of
from tests.support.cases import XP
from tests.support.scenario_files import Files
from tests.support.training_files import only_line

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
FREE = "inference.input=free"
AUTO = ("data.task=autoencoding", "network.widths=[64,12,64]")
UNSUPERVISED = ("data.task=autoencoding", FREE)
STATES = 'trace.record=["energy","grad_norm","states","errors","energy_per_sample","weight_gradient"]'


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
        pytest.param(("backend.name=jax",), marks=pytest.mark.exhaustive),
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


def test_backpropagation_moves_no_input(files: Files) -> None:
    text = TEXT.replace('"state"', '"backprop"').replace("steps = 10\nstep_size = 0.1\n", 'input = "free"\n')
    (problem,) = files.problems(text)
    assert "inference.input is not used by method 'backprop'; remove it" in problem


@pytest.mark.parametrize("method", ["state", "error"])
def test_a_trace_is_learned_from_at_the_inferred_input(files: Files, method: str) -> None:
    with pcsim.run(files.read(TEXT, FREE, STATES, f"inference.method={method}")) as trace:
        gradient = pcsim.learn_from(trace).gradient
        assert np.abs(trace.gradient["W_0"]).max() > 0
        for name, array in trace.gradient.items():
            np.testing.assert_allclose(gradient[name], array, rtol=0, atol=1e-14)
