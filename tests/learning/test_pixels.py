"""Samples that stay bytes: what they stand for, and that training on them has the bits of training on numbers."""

from dataclasses import replace

import numpy as np
import pytest

from pcsim.conformance.cases import reference
from pcsim.conformance.trainings import BATCHES, RATES, assert_same_bits, variant_task
from pcsim.datasets import PixelScaling
from pcsim.learning.pixels import Pixels, part_of, pixels, whole
from pcsim.runs.simulation import prepare
from tests.support.scenario_files import Files

IMAGES = np.random.default_rng(0).integers(256, size=(6, 4, 5, 3), dtype=np.uint8)
TABLE = PixelScaling(255.0, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7))


def kept(scaling: PixelScaling) -> Pixels:
    return pixels(IMAGES, scaling(np.repeat(np.arange(256)[:, None], len(scaling.mean), axis=1)))


@pytest.mark.parametrize("scaling", [PixelScaling(255.0), TABLE])
def test_bytes_stand_for_what_scaling_makes_of_them_to_the_bit(scaling: PixelScaling):
    found, rows = kept(scaling), np.array([4, 0, 4])
    assert np.array_equal(whole(found), scaling(IMAGES))
    assert np.array_equal(found[rows], scaling(IMAGES)[rows])
    flat = found.reshape(6, 60)
    assert (len(flat), flat.shape) == (6, (6, 60))
    assert np.array_equal(part_of(flat, rows)[1:], scaling(IMAGES).reshape(6, 60)[rows[1:]])
    narrow = flat.on(np.asarray, lambda table: table.astype(np.float32))
    assert np.array_equal(narrow[rows], scaling(IMAGES).reshape(6, 60)[rows].astype(np.float32))


def test_training_has_the_bits_of_training_on_numbers():
    task = variant_task("bytes", "float32")
    ours, theirs = (reference().trainer(each) for each in (task, replace(task, x=task.x[:])))
    assert_same_bits("diagnosis", ours.diagnose(BATCHES[0], 0.1), theirs.diagnose(BATCHES[0], 0.1))
    assert_same_bits("updates", ours.run(BATCHES, RATES), theirs.run(BATCHES, RATES))
    assert_same_bits("snapshot", ours.snapshot(), theirs.snapshot())
    assert_same_bits("evaluation", ours.evaluate(task.x, task.y), theirs.evaluate(task.x[:], task.y))


def test_images_of_a_data_set_are_not_copied(files: Files):
    text = """
seed = 0
[network]
widths = [64, 8, 10]
activation = "tanh"
[data]
name = "digits"
[inference]
method = "error"
loss = "cross-entropy"
steps = 2
step_size = 0.1
[learning]
"""
    setup = prepare(files.read(text)).training
    assert setup is not None
    assert setup.samples.test is not None
    train, test, given = setup.samples.train.x, setup.samples.test.x, setup.task.x
    assert isinstance(train, Pixels)
    assert isinstance(test, Pixels)
    assert isinstance(given, Pixels)
    assert (train.shape, test.shape) == ((1437, 64), (360, 64))
    assert train.stored.dtype == test.stored.dtype == np.uint8
    assert np.shares_memory(given.stored, train.stored)
