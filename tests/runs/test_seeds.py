"""Every digit of a seed counts, also beyond the 32 bits that many generators take."""

import numpy as np
import pytest

import pcsim
from pcsim.datasets import load_dataset
from pcsim.learning.pixels import whole
from pcsim.learning.samples import Split, hold_out, order_of
from tests.support.covering import sampled
from tests.support.scenario_files import Files

TEXT = """
[network]
widths = [4, 6, 3]
activation = "tanh"
{weights}
[data]
name = "npz"
file = "data.npz"
batch = 8
[inference]
method = "state"
loss = "cross-entropy"
"""
NOISE = ["inference.t_end=1.0", "inference.step_size=0.1", "inference.noise=0.1"]
SEEDS = (1, 1 + 2**32, 1 + 2**63 - 2**33)
USES = {
    "parameters": (),
    "shuffle": ("data.shuffle=true",),
    "start": ('inference.start="normal"',),
    "rounding": ('backend.precision="float16"', 'inference.rounding="stochastic"'),
    "noise": ('inference.solver="euler"', *NOISE),
    "noise-jax": ('inference.solver="heun"', 'backend.name="jax"', *NOISE),
    "mask": ('inference.input="masked"', "data.mask={share=0.5}", 'inference.loss="squared-error"'),
}


@pytest.mark.parametrize("use", sampled(list(USES), [use for use in USES if use != "noise-jax"]))
def test_runs_differ(use: str, files: Files) -> None:
    random = np.random.default_rng(0)
    np.savez("data.npz", x=random.standard_normal((40, 4)), y=np.arange(40) % 3)
    np.savez("weights.npz", W0=random.standard_normal((4, 6)), W1=random.standard_normal((6, 3)))
    weights = 'bias = false\nweights = "weights.npz"' if use != "parameters" else ""
    file = files.write(TEXT.format(weights=weights))
    energies = [pcsim.run(pcsim.read_scenario(file, USES[use], seed=seed)).energy for seed in SEEDS]
    assert len({energy.tobytes() for energy in energies}) == len(SEEDS)


def test_generated_data_differ() -> None:
    for name in ("gaussian-line", "mnist1d"):
        assert len({load_dataset(name, seed=seed).rows(slice(9)).tobytes() for seed in SEEDS}) == len(SEEDS)


def test_orders_of_training_differ() -> None:
    train = Split(np.arange(50.0)[:, None], np.zeros((50, 1)))
    assert len({order_of(50, 5, seed, epoch=1).numbers.tobytes() for seed in SEEDS}) == len(SEEDS)
    assert len({whole(hold_out(train, 0.5, seed)[0].x).tobytes() for seed in SEEDS}) == len(SEEDS)
