"""Bidirectional predictive coding in whole runs: free ends, files of weights, and what it is refused with."""

import numpy as np
import pytest

import pcsim
from pcsim.errors import UsageError
from tests.support.covering import sampled
from tests.support.scenario_files import Files

TEXT = """\
seed = 3

[network]
widths = [64, 12, 10, 10]
activation = "tanh"

[data]
name = "digits"
batch = 4

[inference]
method = "bidirectional"
top_down = 0.3
loss = "squared-error"
steps = 6
step_size = 0.1
"""
LEARNING = """
[learning]
epochs = 1
batch = 64
"""
RECORD = 'trace.record=["energy", "grad_norm", "energy_per_sample", "states", "errors", "weight_gradient"]'
SMALL = ("data.samples=128", 'backend.precision="float64"')
ENDS = {
    "free-output": ("inference.output=free",),
    "free-input": ("inference.input=free",),
    "free-output-normal": ("inference.output=free", "inference.start=normal"),
    "masked-and-free": ("inference.input=masked", "data.mask=bottom", "inference.output=free"),
    "generative": (
        "data.task=generative",
        "network.widths=[10,12,10,64]",
        "inference.input=free",
        "inference.step_size=0.03",
    ),
}
RUNS = [f"{name} {backend}" for name in ENDS for backend in ("numpy", "jax")]


@pytest.mark.parametrize("run", sampled(RUNS, ["masked-and-free numpy"]))
def test_ends_that_are_free_are_run_and_verified(files: Files, run: str) -> None:
    name, backend = run.split()
    scenario = files.read(TEXT, *ENDS[name], RECORD, f'backend.name="{backend}"', 'backend.precision="float64"')
    with pcsim.run(scenario) as trace:
        assert pcsim.verify(trace).agrees
        found = pcsim.verify(trace, backend="jax" if backend == "numpy" else "numpy")
        assert found.agrees
        assert trace.energy.shape == (7, 3)
        assert (np.diff(trace.energy.sum(axis=1)) < 0).all()  # every step descends
        output = scenario.inference.output == "free"
        assert ("free" in trace.attributes) == (name != "masked-and-free" or output)
        if output:
            np.testing.assert_array_equal(trace.final_output, trace.final_states[-1])
            assert trace.final_errors[-1].any()
            with pytest.raises(UsageError, match="weights learn from targets, and its output is free"):
                pcsim.learn_from(trace)


@pytest.mark.parametrize("ending", ["npz", "safetensors", "h5"])
def test_files_of_weights_hold_both(files: Files, ending: str) -> None:
    with pcsim.run(files.read(TEXT + LEARNING, *SMALL), path="run.h5") as trace:
        trained, score = dict(trace.trained), pcsim.evaluate(trace)
        assert sorted(trained) == sorted(f"{name}_{i}" for name in ("W", "b", "TW", "Tb") for i in range(3))
        assert trained["TW_2"].shape == (10, 10)
        assert trained["TW_0"].shape == (12, 64)
        assert all((trained[name] != trace.network[name]).any() for name in trained)
        assert score.training.accuracy is not None
        forward = pcsim.evaluate(trace, "inference.method=state")
        assert forward.training.loss != score.training.loss
        if ending != "h5":
            pcsim.export_weights(trace, f"run.{ending}", layout="torch" if ending == "npz" else "pcsim")
    again = pcsim.run(files.read(TEXT, f'network.weights="run.{ending}"', 'backend.precision="float64"'))
    for name, array in trained.items():
        np.testing.assert_array_equal(again.network[name], array)
    plain = pcsim.run(files.read(TEXT, "inference.method=state", f'network.weights="run.{ending}"'))
    assert sorted(plain.network) == sorted(f"{name}_{i}" for name in ("W", "b") for i in range(3))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (("inference.loss=cross-entropy",), '"bidirectional" does not go with loss = "cross-entropy"'),
        (("inference.clamp=soft",), '"bidirectional" does not go with clamp = "soft"'),
        (("network.skip=1", "network.widths=[64,12,12,12,10]"), "network.skip = 1, which has no mirror; write skip"),
        (("network.parametrisation=mupc",), 'parametrisation = "mupc"; write parametrisation = "standard"'),
        (("inference.step_size=auto",), 'step_size = "auto" does not go with method = "bidirectional"'),
        (("inference.form=increment",), "inference.form is not used by method 'bidirectional'"),
        (("inference.solver=euler",), "is not used by method 'bidirectional'"),
        (("inference.step_halving=true",), "inference.step_halving is not used by method"),
        (("inference.output_precision=2",), "inference.output_precision is not used by method"),
        (("inference.output=masked", "data.mask=top", "data.task=generative"), "of which nothing is predicted"),
        (("inference.top_down=-1",), "inference.top_down"),
        (("learning.rule=incremental",), "does not go with inference.method"),
        (("learning.rule=forward",), "does not go with inference.method"),
        (("learning.precisions=natural",), "does not go with inference.method"),
    ],
)
def test_words_that_do_not_go_together_are_refused(files: Files, changes: tuple[str, ...], problem: str) -> None:
    found = files.problems(TEXT + (LEARNING if changes[0].startswith("learning") else ""), *changes)
    assert any(problem in line for line in found), found


def test_other_methods_and_lists_of_layers_are_refused(files: Files) -> None:
    state = TEXT.replace('"bidirectional"', '"state"')
    assert any("inference.top_down is not used by method 'state'" in line for line in files.problems(state))
    listed = TEXT.replace("widths = [64, 12, 10, 10]", "input = 64\nlayers = [{ dense = 12 }, { dense = 10 }]")
    assert any("network.layers, whose layers have no mirror" in line for line in files.problems(listed))


def test_theory_that_knows_no_top_down_predictions_says_so(files: Files) -> None:
    scenario = files.read(TEXT, "network.activation=linear")
    with pytest.raises(UsageError, match="descends another energy"):
        pcsim.inspect(scenario)
    with pytest.raises(UsageError, match="knows no top-down predictions"):
        pcsim.linear.system(scenario)
