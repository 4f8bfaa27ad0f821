"""Learning from a trace: the gradient of recorded states and errors, the update, and traces that are refused."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.datasets import load_dataset
from pcsim.recorded.local_update import learn_from
from pcsim.scenario import Scenario, parse_scenario
from tests.support.covering import covering
from tests.support.places import ROOT
from tests.support.scenario_files import TEXT, Files
from tests.support.training_files import TRAINING, UPDATES, only_line

RECORDING = (
    TEXT.replace("[64, 32, 32, 10]", "[64, 8, 8, 8, 10]") + '\n[trace]\nrecord = ["energy", "weight_gradient"]\n'
)
EPS = {"float64": 2.0**-52, "float32": 2.0**-23, "bfloat16": 2.0**-7, "float16": 2.0**-10, "exact": 2.0**-52}
GRADIENT = 40
"""Measured are 15 units in the last place of the largest entry at most, in narrow increments of 20 steps."""

VARIANTS = {
    "state": (),
    "error": ("inference.method=error",),
    "sequential": ("inference.method=sequential",),
    "precision-weighted": ("inference.method=precision-weighted",),
    "augmented-lagrangian": ("inference.method=augmented-lagrangian",),
    "increment": ("inference.form=increment",),
    "soft": ("inference.clamp=soft", "inference.clamp_precision=2.0", "inference.loss=squared-error"),
    "mupc": ("network.parametrisation=mupc", "network.skip=true", "network.order=activation-first"),
    "precisions": ("network.precisions=[0.5, 2.0, 3.0]", "network.activity_decay=0.1"),
    "fixed": ("inference.predictions=fixed",),
    "backprop": ("inference.method=backprop",),
    "sigmoid": ("network.output=sigmoid", "inference.loss=squared-error", "network.activation=tanh"),
    "normal": ("inference.start=normal", "network.skip=2"),
}
FLOWS = {
    "flow": ("inference.solver=dopri5", "inference.t_end=1.0", "data.batch=2"),
    "increment-flow": ("inference.solver=dopri5", "inference.t_end=1.0", "data.batch=2", "inference.form=increment"),
}


def recording(files: Files, *changes: str) -> Scenario:
    text = (
        RECORDING.replace("steps = 20\nstep_size = 0.1\n", "") if "inference.method=backprop" in changes else RECORDING
    )
    return files.read(text, *changes)


def assert_is_the_recorded_gradient(scenario: Scenario, backend: str, precision: str) -> None:
    with pcsim.run(scenario, backend=backend, precision=precision) as trace:
        update = learn_from(trace)
        assert update.gradient.keys() == trace.gradient.keys()
        allowed = 1e-12 if EPS[precision] < 1e-15 else GRADIENT * EPS[precision]
        for name, value in trace.gradient.items():
            assert np.abs(update.gradient[name] - value).max() <= allowed * np.abs(value).max(), name
        assert update.silent == tuple(np.flatnonzero([not error.any() for error in trace.final_errors]))


@covering(variant=list(VARIANTS), precision=["float64", "float32", "bfloat16"])
def test_the_gradient_is_the_one_that_was_recorded(files: Files, variant: str, precision: str):
    assert_is_the_recorded_gradient(recording(files, *VARIANTS[variant]), "numpy", precision)


@pytest.mark.exhaustive
def test_the_gradient_of_traces_made_by_jax(files: Files):
    assert_is_the_recorded_gradient(recording(files, *VARIANTS["mupc"]), "jax", "float32")


@pytest.mark.parametrize("variant", ["state", "error", "mupc"])
def test_the_gradient_of_traces_made_by_exact_arithmetic(files: Files, variant: str):
    assert_is_the_recorded_gradient(recording(files, *VARIANTS[variant], "inference.steps=4"), "exact", "exact")


@pytest.mark.parametrize("variant", FLOWS)
def test_the_gradient_of_a_flow(files: Files, variant: str):
    text = RECORDING.replace("steps = 20\nstep_size = 0.1\n", "")
    assert_is_the_recorded_gradient(files.read(text, *FLOWS[variant]), "numpy", "float64")


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_narrow_accumulators_and_stochastic_rounding_are_no_disagreement(files: Files, precision: str):
    changes = ("inference.rounding=stochastic", "inference.accumulate=bfloat16")
    with pcsim.run(files.read(RECORDING, *changes, f"backend.precision={precision}")) as trace:
        assert learn_from(trace).silent == ()


def of_training(files: Files, *changes: str) -> Any:
    text = TRAINING + '\n[trace]\nrecord = ["energy", "weight_gradient"]\n'
    return pcsim.run(files.read(text, "learning.epochs=1", *changes), path="t.h5", precision="float64")


def test_of_a_training_trace_the_trained_parameters_count(files: Files):
    with of_training(files) as trace:
        update = learn_from(trace)
        for name, value in trace.gradient.items():
            assert np.abs(update.gradient[name] - value).max() <= 1e-12 * np.abs(value).max()
            assert np.abs(update.parameters[name] - trace.trained[name]).max() <= 1.001e-2


UPDATES_BY: dict[str, tuple[tuple[str, ...], Callable[[Any, Any], Any]]] = {
    "sgd": (("learning.optimizer=sgd", "learning.lr=0.5"), lambda w, g: w - 0.5 * g),
    "decay": (
        ("learning.optimizer=sgd", "learning.lr=0.5", "learning.weight_decay=0.1"),
        lambda w, g: w - 0.5 * (g + 0.1 * w),
    ),
    "adam": ((), lambda w, g: w - 1e-2 * g / (np.abs(g) + 1e-8)),
    "per-layer": (
        ("learning.optimizer=sgd", "learning.scale=per-layer"),
        lambda w, g: w - 1e-2 * g / np.abs(g).max(),
    ),
}


@pytest.mark.parametrize("rule", UPDATES_BY)
def test_the_update_goes_by_the_words_of_the_scenario_and_by_overrides(files: Files, rule: str):
    overrides, textbook = UPDATES_BY[rule]
    with of_training(files) as trace:
        update = learn_from(trace, overrides)
        for name, w in trace.trained.items():
            assert update.parameters[name] == pytest.approx(textbook(w, update.gradient[name]), rel=1e-12, abs=1e-15)
        old, new = (parameters["W_0"] for parameters in (trace.trained, update.parameters))
        assert update.update_ratios[0] == pytest.approx(np.linalg.norm(new - old) / np.linalg.norm(old), rel=1e-9)
        assert update.gradient_norms[0] == pytest.approx(np.linalg.norm(update.gradient["W_0"]), rel=1e-12)


def test_a_gradient_longer_than_clip_is_shortened(files: Files):
    with of_training(files) as trace:
        update = learn_from(trace, ["learning.optimizer=sgd", "learning.lr=1", "learning.clip=1e-3"])
        moved = [update.parameters[name] - w for name, w in trace.trained.items()]
        assert np.sqrt(sum((m * m).sum() for m in moved)) == pytest.approx(1e-3, rel=1e-9)


@pytest.mark.parametrize("changes", [(), ("inference.method=sequential",), ("inference.start=normal",)])
def test_without_learning_it_is_plain_sgd(files: Files, changes: tuple[str, ...]):
    with pcsim.run(files.read(RECORDING, *changes), precision="float64") as trace:
        update = learn_from(trace)
        assert (update.learning.optimizer, update.learning.lr, update.has_own_words) == ("sgd", 1e-3, False)
        expected = trace.network["W_1"] - 1e-3 * trace.gradient["W_1"]
        assert update.parameters["W_1"] == pytest.approx(expected, rel=1e-12, abs=1e-16)
        assert learn_from(trace, ["learning.lr=0.2"]).learning.optimizer == "sgd"


def test_layers_without_an_error_would_not_learn(files: Files, capsys: pytest.CaptureFixture[str]):
    files.write(TEXT)
    assert call(["run", "s.toml", "--set", "inference.steps=1", "--quiet"]) == 0
    assert call(["learn", "s.h5", "-o", "w.npz"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [
        "s.h5: 16 samples, float32",
        "one update by sgd, lr 0.001 (the scenario has no [learning]; --set learning.lr, learning.optimizer, …)",
    ]
    assert said[2].split() == ["layer", "gradient", "norm", "update", "/", "weights"]
    assert said[3].split() == ["layer", "0", "0", "0"]
    assert said[-2:] == ["Layer 0 would not learn: its error is exactly zero.", "weights: w.npz"]
    with np.load("w.npz") as written, pcsim.open_trace("s.h5") as trace:
        assert np.array_equal(written["W0"], trace.network["W_0"].astype(np.float32))
        assert np.array_equal(written["W2"], learn_from(trace).parameters["W_2"].astype(np.float32))
    assert only_line(capsys, ["learn", "s.h5", "-o", "w.npz"], code=2).startswith("w.npz exists; ")
    for target, told in (("w.npz", "w.npz exists; "), ("w.txt", "w.txt: weights are written as ")):
        assert only_line(capsys, ["learn", "missing.h5", "-o", target], code=2).startswith(told)
    assert call(["learn", "s.h5", "-o", "w.npz", "--force", "--set", "learning.optimizer=adam"]) == 0


def test_updates_written_and_read_again_learn_as_training_does(files: Files):
    """Batch after batch through files, by plain SGD, against training on the same batches in one run."""
    text = TRAINING.replace("epochs = 4", 'epochs = 1\noptimizer = "sgd"\nshuffle = false')
    with pcsim.run(files.read(text), precision="float64") as whole:
        wanted = whole.trained
    digits = load_dataset("digits")
    plain = text[: text.index("[learning]")].replace("batch = 16", "batch = 64")
    weights: tuple[str, ...] = ()
    for update in range(UPDATES):
        rows = slice(64 * update, 64 * update + 64)
        np.savez("batch.npz", x=digits.x[rows], y=digits.y[rows])
        scenario = files.read(plain, *weights, "data.name=npz", "data.file=batch.npz")
        with pcsim.run(scenario, precision="float64") as trace:
            learn_from(trace, ["learning.lr=1e-2"]).write("w.npz", force=True)
        weights = ("network.weights=w.npz",)
    with np.load("w.npz") as learned:
        for name, array in wanted.items():
            assert np.abs(learned[name.replace("_", "")] - array).max() <= 1e-12


def test_an_update_against_the_forward_pass_is_that_of_training(files: Files):
    text = TRAINING.replace("epochs = 4", 'epochs = 1\noptimizer = "sgd"\nshuffle = false\nrule = "forward"')
    whole = ("data.samples=64", "data.batch=64", "learning.batch=64", 'backend.precision="float64"')
    with pcsim.run(files.read(text, *whole)) as once, pcsim.run(files.read(text, *whole, "learning.epochs=2")) as twice:
        update = learn_from(once)
        for name, array in twice.trained.items():
            np.testing.assert_allclose(update.parameters[name], array, rtol=0, atol=1e-14)


def test_auxiliary_neurons_have_nothing_to_learn(files: Files):
    layers = "[{ dense = 9 }, { dense = 9 }, { dense = 9, add = { back = 2, auxiliary = true } }, { dense = 10 }]"
    network = RECORDING.replace("widths = [64, 8, 8, 8, 10]", f"input = 64\nlayers = {layers}")
    with pcsim.run(files.read(network, 'network.init="orthogonal"')) as trace:
        update = learn_from(trace)
    assert sorted(name for name in update.gradient if name.startswith("W")) == ["W_0", "W_1", "W_3", "W_4"]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("network.widths=[1]", "--set network.widths=[1]: an update goes by learning.optimizer, learning.lr, "),
        ("learning.epochs=3", "--set learning.epochs=3: an update goes by learning.optimizer, learning.lr, "),
        ("learning.lr=-1", "--set learning.lr=-1: "),
        ("learning.momentum=0.5", "--set learning.momentum=0.5: learning.momentum is not used by optimizer 'sgd'"),
        ("learning.optimizer=sdg", "--set learning.optimizer=sdg: \"sdg\" is not allowed; did you mean 'sgd'?"),
    ],
)
def test_overrides_that_say_nothing_of_an_update(
    files: Files, capsys: pytest.CaptureFixture[str], override: str, line: str
):
    pcsim.run(files.read(TEXT), path="s.h5").close()
    assert only_line(capsys, ["learn", "s.h5", "--set", override], code=2).startswith(line)
    assert "is not an HDF5 file" in only_line(capsys, ["learn", "s.toml"], code=2)


def example() -> str:
    page = (ROOT / "docs" / "traces.md").read_text()
    (code,) = re.findall(r"```python\n(import h5py\n.*?)```", page, re.DOTALL)
    return code


def test_the_smallest_trace_of_the_documentation_is_learned_from(files: Files, capsys: pytest.CaptureFixture[str]):
    exec(compile(example(), "docs/traces.md", "exec"), names := dict[str, Any]())
    assert call(["learn", "other.h5", "-o", "updated.npz"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["other.h5: 8 samples, float64", "one update by sgd, lr 0.1"]
    x, y, s, w, b = (names[name] for name in ("x", "y", "s_0", "W_1", "b_1"))
    hidden = np.tanh(x @ names["W_0"])
    with np.load("updated.npz") as new:
        assert np.abs(new["W1"] - (w + 0.1 * s.T @ (y - s @ w - b) / 8)).max() <= 1e-14
        slope = x.T @ ((s - hidden) * (1 - hidden**2)) / 8
        assert np.abs(new["W0"] - (names["W_0"] + 0.1 * slope)).max() <= 1e-14
        assert parse_scenario(str(new["scenario"])).network.widths == (4, 3, 2)
