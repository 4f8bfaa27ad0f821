"""Local methods in whole runs: trained, verified, learned from, resumed."""

import numpy as np
import pytest

import pcsim
from pcsim.errors import Interrupted, UsageError
from tests.support.covering import sampled
from tests.support.scenario_files import TEXT, Files
from tests.support.training_files import assert_same_bits, interrupting

WAYS = {
    "augmented-lagrangian": ("inference.method=augmented-lagrangian", "inference.dual_every=2"),
    "precision-weighted": ("inference.method=precision-weighted", "inference.precision_decay=0.5"),
    "equilibrium-propagation": (
        "inference.method=equilibrium-propagation",
        "inference.free_steps=3",
        "network.activation=tanh",
        "network.init=orthogonal",
        "network.gain=0.5",
    ),
    "bidirectional": ("inference.method=bidirectional", "inference.loss=squared-error", "inference.top_down=0.3"),
    "forward": ("learning.rule=forward",),
    "meta": ("inference.predictions=fixed", "learning.normalise=variance"),
}
LEARNING = """
[learning]
epochs = 2
batch = 16
optimizer = "sgd"
lr = 0.01

[trace]
record = ["energy", "weight_gradient"]
"""
SMALL = ("data.samples=64", "data.batch=8", "inference.steps=6", "network.widths=[64,8,8,10]")
RUNS = [f"{name} {backend}" for name in WAYS for backend in ("numpy", "jax")]


@pytest.mark.parametrize("run", sampled(RUNS, [f"{name} numpy" for name in WAYS]))
def test_runs_are_verified_learned_from_and_resumed(files: Files, run: str) -> None:
    name, backend = run.split()
    words = (f'backend.name="{backend}"', 'backend.precision="float64"')
    scenario = files.read(TEXT + LEARNING, *SMALL, *WAYS[name], *words)
    with pcsim.run(scenario, path="whole.h5") as whole:
        assert pcsim.verify(whole).agrees
        assert np.isfinite(whole.training["cosine"]).all()
        if name == "equilibrium-propagation":
            with pytest.raises(UsageError, match="learns from two phases"):
                pcsim.learn_from(whole)
        else:
            update = pcsim.learn_from(whole)
            # What is recorded is the energy's gradient; the rule "forward" learns by another.
            for key, slope in whole.gradient.items() if name != "forward" else ():
                np.testing.assert_allclose(update.gradient[key], slope, rtol=1e-9, atol=1e-12)
    with pytest.raises(Interrupted) as caught:
        pcsim.run(scenario, path="s.h5", progress=interrupting(5))
    caught.value.trace.close()
    pcsim.run(scenario, resume="s.h5").close()
    assert_same_bits("s.h5", "whole.h5")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (("inference.dual_step=0.5",), "inference.dual_step is not used by method 'state'"),
        (("inference.precision_spike=2",), "inference.precision_spike is not used by method 'state'"),
        (
            ("inference.method=augmented-lagrangian", "inference.step_halving=true"),
            "step_halving is not used by method",
        ),
        (("inference.method=precision-weighted", "inference.step_size=auto"), "whose precisions rise to 1 / step_size"),
        (("inference.method=equilibrium-propagation", "inference.free_steps=20"), "which leaves none with the target"),
        (
            ("inference.method=equilibrium-propagation", "network.precisions=2"),
            "network.precisions is not used by method",
        ),
        (("inference.method=equilibrium-propagation", "learning.rule=forward"), "does not go with inference.method"),
        (("learning.rule=forward", "inference.form=increment"), 'rule = "forward" does not go with inference.form'),
        (("learning.rule=forward", "inference.method=backprop"), 'rule = "forward" does not go with inference.method'),
    ],
)
def test_words_that_do_not_go_together_are_refused(files: Files, changes: tuple[str, ...], problem: str) -> None:
    assert any(problem in found for found in files.problems(TEXT + LEARNING, *changes))


@pytest.mark.parametrize(
    ("backend", "name"), [("numba", "augmented-lagrangian"), ("numba", "bidirectional"), ("exact", "bidirectional")]
)
def test_other_backends_refuse_the_methods_in_one_line(files: Files, backend: str, name: str) -> None:
    with pytest.raises(UsageError, match=f"has no method '{name}'"):
        pcsim.run(files.read(TEXT, *WAYS[name], f'backend.name="{backend}"'))
