"""Masked samples from scenario files: what is hidden, what a trace keeps of it, and what completion comes to."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pcsim
from pcsim.cli.call import call
from pcsim.errors import UsageError
from pcsim.figures.completion import completions
from pcsim.recorded.verification import verify
from pcsim.report.findings import findings
from pcsim.runs.simulation import prepare
from tests.support.scenario_files import Files
from tests.support.training_files import only_line

TEXT = """\
[network]
widths = [6, 24, 64]
activation = "tanh"
init = "xavier-normal"

[data]
name = "digits"
task = "autoencoding"
split = "test"
batch = 8
mask = "bottom"

[inference]
method = "state"
loss = "squared-error"
input = "free"
output = "masked"
steps = 10
step_size = 0.1

[backend]
precision = "float64"
"""
STATES = 'trace.record=["energy","states","errors","weight_gradient"]'
BOTH = ("inference.input=masked", "network.widths=[64,24,64]")


def hidden(files: Files, *changes: str) -> NDArray[np.bool_]:
    found = prepare(files.read(TEXT, *changes)).inputs.hidden
    assert found is not None
    return found.mask.reshape(8, 8)


def test_halves_and_shares_of_an_image_are_hidden(files: Files) -> None:
    for side, place in {
        "top": np.s_[:4],
        "bottom": np.s_[4:],
        "left": np.s_[:, :4],
        "right": np.s_[:, 4:],
    }.items():
        mask = hidden(files, f"data.mask={side}")
        assert mask[place].all()
        assert mask.sum() == 32
    some = hidden(files, "data.mask={share=0.25}")
    assert some.sum() == 16
    np.testing.assert_array_equal(some, hidden(files, "data.mask={share=0.25}", "data.batch=3"))
    assert (some != hidden(files, "data.mask={share=0.25}", "data.seed=1")).any()


def test_what_is_hidden_is_not_given(files: Files) -> None:
    simulation = prepare(files.read(TEXT, *BOTH, "inference.start=normal"))
    mask, inputs = simulation.inputs.hidden, simulation.inputs
    assert mask is not None
    clear = prepare(files.read(TEXT, *BOTH, "inference.start=normal", "data.split=train")).inputs.hidden
    assert clear is not None
    assert (clear.truth != mask.truth).any()
    np.testing.assert_array_equal(clear.mean, mask.mean)
    np.testing.assert_array_equal(inputs.x[:, ~mask.mask], mask.truth[:, ~mask.mask])
    np.testing.assert_array_equal(inputs.y[:, ~mask.mask], mask.truth[:, ~mask.mask])
    assert not inputs.y[:, mask.mask].any()
    assert 0.8 < inputs.x[:, mask.mask].std() < 1.2


@pytest.mark.parametrize(
    "changes",
    [
        (),
        BOTH,
        ("inference.method=error", *BOTH),
        pytest.param(("backend.name=jax", *BOTH), marks=pytest.mark.exhaustive),
        ("inference.form=increment", "inference.start=normal", *BOTH),
        ("data.task=generative", "network.widths=[10,24,64]"),
        ("data.task=supervised", "network.widths=[64,24,10]", "inference.input=masked", "inference.output=clamped"),
        ("inference.solver=euler", "inference.step_size=0.1", "inference.t_end=1.0", *BOTH),
    ],
    ids=str,
)
def test_a_trace_keeps_the_mask_and_is_verified(files: Files, changes: tuple[str, ...]) -> None:
    with pcsim.run(files.read(TEXT, STATES, *changes), path="s.h5") as trace:
        mask, truth = trace.array("data/mask").astype(bool), trace.array("data/truth")
        for found in completions(trace):
            end = trace.array(f"final/{found.end}")
            np.testing.assert_array_equal(found.completed[:, ~mask], truth[:, ~mask])
            np.testing.assert_allclose(found.error, np.mean((end - truth)[:, mask] ** 2), rtol=1e-12)
            assert any(f"mean squared error of {found.error:.4g}; the mean" in line for line in findings(trace))
        assert trace.attributes["masked"].split() == [found.end for found in completions(trace)]
        gradient = pcsim.learn_from(trace).gradient
        for name, array in trace.gradient.items():
            np.testing.assert_allclose(gradient[name], array, rtol=0, atol=1e-13)
        found = verify(trace)
    assert found.agrees
    assert found.tolerance == 0


def test_learning_sees_whole_samples(files: Files) -> None:
    plan = ("learning.epochs=1", "learning.lr=1e-3", "data.samples=128")
    for clamped, masked in (
        (("inference.output=clamped", 'data.split="test"'), ()),
        (("inference.output=clamped", "inference.input=clamped", BOTH[1]), BOTH),
    ):
        text = TEXT.replace('mask = "bottom"\n', "")
        with (
            pcsim.run(files.read(text, *plan, *clamped)) as whole,
            pcsim.run(files.read(TEXT, *plan, *masked)) as hiding,
        ):
            for name in ("W_0", "W_1"):
                path = f"final/network/{name}"
                np.testing.assert_array_equal(hiding.array(path), whole.array(path))
            assert hiding.training["test_loss"][-1] == whole.training["test_loss"][-1]


def test_an_automatic_step_is_stable_for_a_masked_input(files: Files) -> None:
    changes = (*BOTH, "inference.step_size=auto", "inference.steps=60", "network.widths=[64,80,64]")
    for method in ("state", "error"):
        with pcsim.run(files.read(TEXT, *changes, f"inference.method={method}")) as trace:
            total = trace.energy.sum(axis=1)
            assert (np.diff(total) < 1e-12).all()
            assert total[-1] < 0.5 * total[0]


def test_linear_theory_is_of_whole_samples(files: Files) -> None:
    with pytest.raises(UsageError, match="the theory of deep linear networks needs whole samples; remove the mask"):
        pcsim.linear.system(files.read(TEXT, *BOTH, "network.activation=linear"))


def test_an_input_that_is_not_determined_is_said_to_be(files: Files) -> None:
    said = "many inputs have the same energy, and which of them inference ends at is decided by where it starts"
    with pcsim.run(files.read(TEXT)) as trace:
        assert not any(said in line for line in findings(trace))
    for changes, subject in (
        (BOTH, "The 32 masked units of the input are more than the 24 units of layer 0: "),
        (("network.widths=[40,64,64]",), "The 40 units of the free input are more than the 32 units of the target: "),
    ):
        with pcsim.run(files.read(TEXT, *changes)) as trace:
            assert any(line.startswith(subject) and said in line for line in findings(trace))


def test_a_files_own_mask(files: Files) -> None:
    rng = np.random.default_rng(0)
    mask = np.array([[True, False], [False, False], [False, True]])
    arrays: dict[str, Any] = {"x": rng.standard_normal((6, 3, 2)), "y": np.arange(6) % 3}
    np.savez("m.npz", **arrays, mask=mask)
    own = ("data.name=npz", "data.file=m.npz", "data.mask=file", "data.batch=6", "network.widths=[2,4,6]")
    found = prepare(files.read(TEXT.replace('split = "test"\n', ""), *own)).inputs.hidden
    assert found is not None
    np.testing.assert_array_equal(found.mask, mask.ravel())
    np.savez("m.npz", **arrays, mask=mask[0])
    with pytest.raises(UsageError, match=r"array 'mask' has shape \(2,\) and type bool; needed are flags of the shape"):
        prepare(files.read(TEXT.replace('split = "test"\n', ""), *own))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            ("inference.output=clamped",),
            'data.mask is not used where neither inference.input nor inference.output is "ma',
        ),
        (("data.task=generative", *BOTH), 'inference.input = "masked" does not go with data.task = "generative"'),
        (
            ("inference.loss=binary-cross-entropy",),
            'inference.output = "masked" does not go with loss = "binary-cross-e',
        ),
        (("data.mask={share=1}",), "or a table with a share between 0 and 1, as in { share = 0.5 }"),
        (("data.mask={share=0.001}",), "none of the 64 units of a sample are hidden; hide some and leave some"),
        (("data.mask=middle",), "Give one of top, bottom, left, right, file, or a table with a share"),
        (("data.mask=file",), "the data set 'digits' has no mask of its own"),
        (
            ("data.name=gaussian-line", "network.widths=[2,3,1]"),
            "the data set 'gaussian-line' has no samples to test on",
        ),
        (("data.name=mnist1d", "network.widths=[2,3,40]"), "shape (40,) and is no image with a bottom; write a share"),
        (
            ("inference.output=free", "inference.input=masked", "network.widths=[64,24,64]"),
            'inference.input = "masked" does not go with output = "free", which says nothing of the masked units',
        ),
        (
            ("inference.solver=euler", "inference.step_size=0.1", "inference.t_end=1.0", "inference.noise=0.1", *BOTH),
            'inference.input = "masked" does not go with noise = 0.1, which moves known units, too',
        ),
    ],
)
def test_what_does_not_fit_is_one_line(
    files: Files, capsys: pytest.CaptureFixture[str], changes: tuple[str, ...], line: str
) -> None:
    files.write(TEXT)
    given = [word for change in changes for word in ("--set", change)]
    assert line in only_line(capsys, ["check", "s.toml", *given], code=2)


def test_a_masked_end_needs_a_mask(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.write(TEXT.replace('mask = "bottom"\n', ""))
    assert 'inference.output = "masked" needs data.mask' in only_line(capsys, ["check", "s.toml"], code=2)


def test_the_commands_take_a_trace_with_a_mask(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.write(TEXT)
    assert call(["run", "s.toml"]) == 0
    for command in (["replay", "s.h5", "--verify"], ["plot", "s.h5"], ["show", "s.toml"]):
        assert call(command) == 0
    said = capsys.readouterr().out
    assert "Masked units of the output (32 of 64) were completed" in said
    assert 'mask = "bottom"' in said
