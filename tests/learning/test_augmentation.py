"""Images mirrored and shifted at random: what is drawn and made of it, the same on backends and in resumed runs."""

from dataclasses import replace
from typing import cast
from unittest.mock import Mock

import numpy as np
import pytest
from pcsim_numpy.namespace import NumpyNamespace

import pcsim
from pcsim.conformance.trainings import assert_same_bits, assert_trees_close
from pcsim.engine.backend import TrainingBackend
from pcsim.engine.registry import load_backend
from pcsim.errors import ScenarioError, UsageError
from pcsim.interruption import Interrupted
from pcsim.learning.augmentation import Augmentation, moved
from pcsim.learning.pixels import Pixels
from pcsim.learning.trainer import Trainer, TrainingTask
from pcsim.model.arrays import Values
from pcsim.runs.simulation import prepare
from tests.support.scenario_files import Files
from tests.support.training_files import assert_same_bits as assert_same_training
from tests.support.training_files import interrupting

TEXT = """
seed = 5
[network]
input = [8, 8, 1]
activation = "relu"
layers = [{ conv = 2, kernel = 3 }, { dense = 10, activation = "linear" }]
[data]
name = "digits"
samples = 40
batch = 4
scaling = "unit"
[inference]
method = "error"
loss = "cross-entropy"
steps = 2
step_size = 0.1
[learning]
epochs = 3
batch = 16
augment = { flip = true, crop = 2 }
"""
IMAGES = np.random.default_rng(0).standard_normal((50, 4, 6, 2))
BATCHES = np.random.default_rng(1).integers(40, size=(4, 16))
RATES = np.full(4, 1e-3)


def task_of(files: Files, *changes: str) -> TrainingTask:
    setup = prepare(files.read(TEXT, *changes)).training
    assert setup is not None
    return setup.task


def trainer(task: TrainingTask, name: str = "numpy") -> Trainer:
    return cast("TrainingBackend", load_backend(name)).trainer(task)


def by_hand(image: Values, row: int, column: int, flip: bool, crop: int, black: list[float]) -> Values:
    """Return a window of a padded image, the image mirrored first."""
    h, w, c = image.shape
    padded = np.empty((h + 2 * crop, w + 2 * crop, c))
    padded[:] = black
    padded[crop : crop + h, crop : crop + w] = image
    window = padded[row : row + h, column : column + w]
    return window[:, ::-1] if flip else window


@pytest.mark.parametrize(("flip", "crop"), [(True, 2), (False, 3), (True, 0)])
def test_every_image_is_a_window_of_the_padded_one_all_windows_are_seen(flip: bool, crop: int):
    augmentation, black = Augmentation(flip, crop, 7, (-1.0, 0.5)), [-1.0, 0.5]
    seen: set[tuple[int, int, bool]] = set()
    shifts, flips = range(2 * crop + 1), (False, True) if flip else (False,)
    for update in range(1, 13):
        found = moved(NumpyNamespace(), IMAGES, augmentation.moves(update, 50, (4, 6)), np.array(black))
        for image, made in zip(IMAGES, found, strict=True):
            ways = [(i, j, f) for i in shifts for j in shifts for f in flips]
            fits = [way for way in ways if np.array_equal(made, by_hand(image, *way, crop, black))]
            assert fits
            seen.update(fits)
    assert len(seen) == len(shifts) ** 2 * len(flips)


def test_draws_depend_on_seed_and_update_alone():
    augmentation = Augmentation(True, 2, 7, (0.0,))
    again = augmentation.moves(3, 16, (8, 8))
    assert_same_bits("again", augmentation.moves(3, 16, (8, 8)), again)
    others = (augmentation.moves(4, 16, (8, 8)), replace(augmentation, seed=8).moves(3, 16, (8, 8)))
    assert all((other.row != again.row).any() and (other.column != again.column).any() for other in others)


def test_updates_see_moved_images_and_evaluation_does_not(files: Files):
    task = task_of(files)
    assert task.augmentation is not None
    assert isinstance(task.x, Pixels)
    ours, plain = (trainer(each) for each in (task, replace(task, augmentation=None)))
    assert_same_bits("evaluation", ours.evaluate(task.x, task.y), plain.evaluate(task.x, task.y))
    moves = task.augmentation.moves(1, 16, (8, 8))
    x = moved(NumpyNamespace(), task.x[BATCHES[0]], moves, np.zeros(1))
    other = trainer(replace(task, x=x, y=task.y[BATCHES[0]], augmentation=None))
    rows = np.arange(16)
    assert_same_bits("diagnosis", ours.diagnose(BATCHES[0], 0.1), other.diagnose(rows, 0.1))
    assert_same_bits("update", ours.run(BATCHES[:1], RATES[:1]), other.run(rows[None], RATES[:1]))


@pytest.mark.exhaustive
def test_jax_sees_the_same_images_and_goes_on_from_a_snapshot(files: Files):
    task = task_of(files, "backend.precision=float64", "network.layers=[{dense=10, activation='linear'}]")
    ours, theirs = (trainer(task, name) for name in ("jax", "numpy"))
    assert_trees_close("diagnosis", ours.diagnose(BATCHES[0], 0.1), theirs.diagnose(BATCHES[0], 0.1), 1e-10)
    assert_trees_close("updates", ours.run(BATCHES[:2], RATES[:2]), theirs.run(BATCHES[:2], RATES[:2]), 1e-10)
    snapshot = ours.snapshot()
    last = ours.run(BATCHES[2:], RATES[2:])
    assert_trees_close("updates", last, theirs.run(BATCHES[2:], RATES[2:]), 1e-10)
    ours.restore(snapshot)
    assert_same_bits("updates after a snapshot", ours.run(BATCHES[2:], RATES[2:]), last)


def test_a_trainer_that_does_not_move_images_is_refused(files: Files, monkeypatch: pytest.MonkeyPatch):
    simulation = prepare(files.read(TEXT))
    monkeypatch.setattr(type(simulation.backend), "trainer", Mock(return_value=object()))
    with pytest.raises(UsageError, match=r"learning.augment: the backend 'numpy' cannot augment images; remove it, or"):
        simulation.trainer()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["learning.augment={flip=false,crop=0}"], "learning.augment changes nothing; write flip = true or crop = 4"),
        (
            ["learning.augment={crop=8}"],
            "learning.augment.crop = 8 may leave nothing of images of 8 × 8; use 7",
        ),
        (["learning.augment={crop=-1}"], "whole number, 0 or more"),
        (["data.task=generative"], 'learning.augment does not go with data.task = "generative"'),
        (["network.input=64", "network.layers=[{dense=10}]"], "the network's input has no height and width"),
    ],
)
def test_what_does_not_go_is_one_line(files: Files, changes: list[str], said: str):
    with pytest.raises(ScenarioError) as error:
        files.read(TEXT, *changes)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_an_interrupted_run_goes_on_to_the_same_bits(files: Files, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pcsim.learning.training.SECONDS", 0.0)  # a look after every update
    scenario = files.read(TEXT)
    pcsim.run(scenario, path="whole.h5").close()
    with pytest.raises(Interrupted):
        pcsim.run(scenario, path="s.h5", progress=interrupting(3))
    pcsim.run(scenario, resume="s.h5").close()
    assert_same_training("s.h5", "whole.h5")
