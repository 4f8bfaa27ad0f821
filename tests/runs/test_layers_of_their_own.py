"""Layers that learn at a rate of their own, or not at all."""

import numpy as np
import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.errors import Interrupted, UsageError
from tests.support.covering import sampled
from tests.support.scenario_files import Files
from tests.support.training_files import TRAINING, UPDATES, assert_same_bits, interrupting

THREE = TRAINING.replace("[64, 12, 10]", "[64, 12, 12, 10]").replace("epochs = 4", "epochs = 2")
BACKENDS = sampled(["numpy", "numba", "jax"], ["numpy"])


@pytest.mark.parametrize("backend", BACKENDS)
def test_frozen_layers_stay_and_the_others_learn(files: Files, backend: str):
    pytest.importorskip(f"pcsim_{backend}")
    scenario = files.read(THREE, "learning.freeze=[0, 2]", 'learning.optimizer="adamw"', "learning.clip=0.5")
    with pcsim.run(scenario, backend=backend, path="s.h5") as trace:
        for name in ("W_0", "b_0", "W_2", "b_2"):
            assert np.array_equal(trace.trained[name], trace.network[name])
        assert not np.array_equal(trace.trained["W_1"], trace.network["W_1"])
        assert trace.training["update_ratio"][:, [0, 2]].max() == 0
        assert trace.attributes["frozen_layers"] == "0 2"
        assert "did not move" not in trace.summary()
        assert pcsim.verify(trace).agrees


@pytest.mark.parametrize("backend", BACKENDS)
def test_rates_by_layer_change_plain_steps_in_proportion(files: Files, backend: str):
    one_step = ("learning.optimizer=sgd", "learning.epochs=1", "data.samples=64")
    with pcsim.run(files.read(THREE, *one_step, "learning.lr=0.1"), backend=backend) as common:
        moved = {name: common.trained[name] - common.network[name] for name in ("W_0", "W_1", "W_2")}
    scenario = files.read(THREE, *one_step, "learning.lr=[0.025, 0.1, 0.05]")
    with pcsim.run(scenario, backend=backend) as own:
        assert own.training["learning_rate"].tolist() == [0.1]
        for name, share in (("W_0", 0.25), ("W_1", 1.0), ("W_2", 0.5)):
            found = own.trained[name] - own.network[name]
            np.testing.assert_allclose(found, share * moved[name], atol=2e-7)


def test_a_run_that_goes_on_ends_in_the_same_bits(files: Files):
    scenario = files.read(THREE, "learning.freeze=[1]", "learning.lr=[1e-3, 1e-2, 1e-2]")
    pcsim.run(scenario, path="whole.h5").close()
    with pytest.raises(Interrupted):
        pcsim.run(scenario, path="s.h5", progress=interrupting(UPDATES + 1))
    pcsim.run(scenario, resume="s.h5").close()
    assert_same_bits("s.h5", "whole.h5")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        (
            "learning.lr=[0.1, 0.2]",
            "2 learning rates for 3 layers; give one for each",
        ),
        ("learning.freeze=[3]", "there is no layer 3; the layers are 0 to 2"),
        ("learning.freeze=[0, 1, 2]", "all layers are frozen, and nothing learns; leave one out of the list"),
    ],
)
def test_what_does_not_fit_the_network_is_refused(files: Files, override: str, words: str):
    with pytest.raises(UsageError, match=words):
        pcsim.run(files.read(THREE, override))
    assert "each once" in files.problems(THREE, "learning.freeze=[1, 1]")[0]


def test_pcsim_learn_says_the_rates(files: Files, capsys: pytest.CaptureFixture[str]):
    pcsim.run(files.read(THREE, "learning.lr=[0.1, 0.2, 0.3]", "learning.epochs=1"), path="s.h5").close()
    capsys.readouterr()
    assert call(["learn", "s.h5"]) == 0
    assert "lr 0.1 0.2 0.3" in capsys.readouterr().out
