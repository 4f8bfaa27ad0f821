"""How pixels become numbers: every word of data.scaling against its definition, and what is refused."""

from typing import Any

import numpy as np
import pytest

import pcsim
from pcsim.assemble import read_dataset
from pcsim.datasets import load_dataset
from pcsim.errors import ScenarioError, UsageError
from pcsim.learning.samples import learned_rows
from pcsim.runs.simulation import prepare
from pcsim.typing import NDArray
from tests.datasets.test_images import IMAGES, cifar_10
from tests.support.scenario_files import TEXT, Files, changed

rng = np.random.default_rng(0)
COLOURS = rng.integers(256, size=(40, 4, 4, 3), dtype=np.uint8)
Y = np.arange(40) % 10
LEARNING = "\n[learning]\nepochs = 1\nbatch = 8\n"


def own(files: Files, x: Any, scaling: str, *changes: str) -> pcsim.Scenario:
    np.savez(files.folder / "mine.npz", x=x, y=Y, x_test=x[:5], y_test=Y[:5])
    text = changed('name = "digits"', f'name = "npz"\nfile = "mine.npz"\nscaling = {scaling}')
    return files.read(text.replace("[64,", "[48,") + LEARNING, *changes)


@pytest.mark.parametrize(("scaling", "mean", "std"), [("symmetric", 0.5, 0.5), ("unit", 0.0, 1.0)])
def test_words_for_all_pixels(files: Files, scaling: str, mean: float, std: float):
    expected = ((load_dataset("digits").inputs / 16) - mean) / std
    scenario = files.read(TEXT, f"data.scaling={scaling}")
    found = read_dataset(scenario)
    assert np.array_equal(found.x, expected)
    assert np.array_equal(prepare(scenario).task.x, expected[:16].reshape(16, 64))
    for x in (COLOURS, COLOURS / 255, COLOURS.reshape(40, -1)):
        data = read_dataset(own(files, x, f'"{scaling}"'))
        assert np.allclose(data.x, (x / (255 if x.dtype == np.uint8 else 1) - mean) / std, rtol=1e-15, atol=1e-15)
        assert data.inputs.dtype == x.dtype


@pytest.mark.parametrize("x", [COLOURS, COLOURS / 255])
def test_standard_is_that_of_the_samples_that_are_learned_from(files: Files, x: Any):
    data = read_dataset(own(files, x, '"standard"', "data.samples=30", "data.validation=0.2"))
    learned = learned_rows(30, 0.2, 3)
    assert len(learned) == 24
    values = data.x[learned]
    assert np.allclose(values.mean(axis=(0, 1, 2)), 0.0, atol=1e-13)
    assert np.allclose(values.std(axis=(0, 1, 2)), 1.0, rtol=1e-13)
    assert data.x_test is not None
    assert np.array_equal(data.x_test, data.x[:5])


def test_standard_of_cifar_is_the_papers(files: Files):
    cifar_10(files.folder / "cifar")
    text = changed('name = "digits"', 'name = "cifar-10"\nfile = "cifar"\nscaling = "standard"')
    found = read_dataset(files.read(text))
    mean, std = np.array([0.4914, 0.4822, 0.4465]), np.array([0.2023, 0.1994, 0.2010])
    assert np.array_equal(found.x[:4], (IMAGES / 255 - mean) / std)


def test_a_table_goes_channel_by_channel_and_into_the_trace(files: Files):
    words = "{ mean = [0.1, 0.2, 0.3], std = [0.5, 1.0, 2.0] }"
    with pcsim.run(own(files, COLOURS, words, "data.batch=4", "learning.epochs=1", "data.samples=8")) as trace:
        expected = (COLOURS[:4] / 255 - [0.1, 0.2, 0.3]) / [0.5, 1.0, 2.0]
        assert np.array_equal(trace.data["x"], expected.reshape(4, 48))
        assert "mean = [0.1, 0.2, 0.3]" in str(trace.provenance["scenario"])


def test_data_sets_of_a_users_own_are_scaled_too(files: Files):
    def mine(seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
        return COLOURS, Y.astype(str)

    pcsim.register("dataset", "mine", mine)
    found = read_dataset(files.read(changed('name = "digits"', 'name = "mine"\nscaling = "unit"')))
    assert np.array_equal(found.x, COLOURS / 255)
    assert np.array_equal(found.y, Y)


@pytest.mark.parametrize(
    ("x", "scaling", "said"),
    [
        (COLOURS, "{ mean = [0.5], std = [0.5, 0.5] }", "a mean and a deviation above 0 for every channel"),
        (COLOURS, "{ mean = [0.5, 0.5], std = [0.5, 0.5] }", "mean and std of 2 channels, but a sample"),
        (COLOURS[..., 0], "{ mean = [0.5, 0.5, 0.5], std = [1, 1, 1] }", "and 1 of them; write 1 of each"),
        (COLOURS, "{ mean = [0.5], std = [0.0] }", "a mean and a deviation above 0 for every channel"),
        (COLOURS, "{ mean = [0.5], std = [1e-300] }", "black and white, scaled, holds"),
        (COLOURS, '"minmax"', "give one of symmetric, unit, standard, or a table"),
        (
            COLOURS.astype(np.float64),
            '"unit"',
            "samples run from 0 to 255; pixels are bytes (uint8), or numbers from 0",
        ),
        (COLOURS * np.array([1, 0, 1], np.uint8), '"standard"', "channel 1 is the same in all 40 samples"),
    ],
)
def test_what_does_not_go_is_one_line(files: Files, x: Any, scaling: str, said: str):
    with pytest.raises((UsageError, ScenarioError)) as error:
        read_dataset(own(files, x, scaling, "backend.precision=float32"))
    assert said in str(error.value)
    assert "scaling" in str(error.value)
    assert "\n" not in str(error.value)


def test_samples_without_pixels_have_no_scaling(files: Files):
    text = changed('name = "digits"', 'name = "mnist1d"\nscaling = "unit"')
    assert "data.scaling is not used by data set 'mnist1d'" in files.problems(text)[0]
