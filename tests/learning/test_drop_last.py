"""The last batch of an epoch: left out, or an update of its own on fewer samples."""

from typing import cast

import numpy as np
import pytest

import pcsim
from pcsim.conformance.trainings import assert_same_bits, assert_trees_close
from pcsim.engine.backend import TrainingBackend
from pcsim.engine.registry import load_backend
from pcsim.learning.samples import order_of
from pcsim.runs.simulation import prepare
from tests.support.npz_files import LEARNING, OWN, samples, write
from tests.support.scenario_files import Files

WORDS = LEARNING.replace("epochs = 3", "epochs = 1").replace("batch = 8", "batch = 10")
TEXT = f"{OWN}{WORDS}drop_last = false\nshuffle = false\n"


@pytest.mark.parametrize(("drop_last", "updates"), [(True, 4), (False, 5)])
def test_an_epoch_takes_every_sample_once_in_batches_of_one_size_a_stretch(drop_last: bool, updates: int):
    order = order_of(43, 10, 7, 2, drop_last=drop_last)
    assert len(order) == updates
    stretches = [order.stretch(0, 3), order.stretch(3, 3), *([] if drop_last else [order.stretch(4, 3)])]
    assert [part.shape for part in stretches] == [(3, 10), (1, 10), (1, 3)][: updates - 2]
    assert np.array_equal(np.concatenate([part.ravel() for part in stretches]), order.numbers)
    assert len(set(order.numbers.tolist())) == (40 if drop_last else 43)
    assert np.array_equal(order.numbers[:40], order_of(43, 10, 7, 2, drop_last=True).numbers)


def test_an_epoch_ends_with_an_update_on_what_is_left(files: Files):
    write(**samples(43))
    scenario = files.read(TEXT)
    setup = prepare(scenario).training
    assert setup is not None
    by_hand = cast("TrainingBackend", load_backend("numpy")).trainer(setup.task)
    rates = np.array([setup.plan.schedule.rate(k, 5) for k in range(1, 6)])
    parts = [by_hand.run(np.arange(40).reshape(4, 10), rates[:4]), by_hand.run(np.arange(40, 43)[None], rates[4:])]
    with pcsim.run(scenario) as trace:
        energies, loss = np.concatenate([part.energy for part in parts]), np.concatenate([part.loss for part in parts])
        assert_same_bits("energies", trace.training["energy"], energies)
        assert np.allclose(trace.training["train_loss"], loss @ [10, 10, 10, 10, 3] / 43, rtol=1e-14)
        learned = {f"{name}_{i}": v for i, own in enumerate(by_hand.snapshot().parameters) for name, v in own.items()}
        assert_same_bits("parameters", tuple(trace.trained[name] for name in learned), tuple(learned.values()))


@pytest.mark.exhaustive
def test_jax_learns_from_a_short_batch(files: Files):
    write(**samples(23))
    words = ("learning.epochs=2", "backend.precision=float64")
    with pcsim.run(files.read(TEXT, *words)) as theirs, pcsim.run(files.read(TEXT, *words), backend="jax") as ours:
        assert_trees_close("energies", ours.training["energy"], theirs.training["energy"], 1e-10)
        assert_trees_close("parameters", tuple(ours.trained.values()), tuple(theirs.trained.values()), 1e-10)
