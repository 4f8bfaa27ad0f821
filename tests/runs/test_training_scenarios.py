"""What the shipped training scenarios promise."""

import pytest

import pcsim
from pcsim.scenario import read_scenario


def test_sequential_inference_and_mq_learn_the_digits() -> None:
    with pcsim.run(read_scenario("seqil-mq", ["learning.epochs=25"])) as trace:
        assert trace.training["test_accuracy"][-1] >= 0.94


@pytest.mark.exhaustive
def test_a_chain_leaves_the_saddle_with_pc_and_not_with_backprop() -> None:
    losses = {}
    for method in ("state", "backprop"):
        with pcsim.run(read_scenario("deep-chain", [f"inference.method={method}"])) as trace:
            losses[method] = trace.training["loss"]
    assert losses["state"][0] == losses["backprop"][0] > 0.4
    assert losses["state"][-1] < 1e-3
    assert losses["backprop"][-20:].min() > 0.4
