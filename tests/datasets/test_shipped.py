"""The data sets that ship, that are generated, and the batch a run takes from any of them."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcsim.datasets import DATASET_NAMES, Dataset, first_batch, load_dataset, targets
from pcsim.datasets.mnist1d import templates
from pcsim.errors import UsageError
from tests.support.places import ROOT


def one_line(error: pytest.ExceptionInfo[UsageError]) -> str:
    message = str(error.value)
    assert message
    assert "\n" not in message
    return message


def small(samples: int = 10) -> Dataset:
    x = np.arange(2.0 * samples).reshape(samples, 2)
    return Dataset("npz", x, np.arange(samples) % 3, None, None, "made for a test")


def test_digits_are_scaled_images_with_a_stratified_test_set():
    digits = load_dataset("digits")
    assert (len(digits), digits.sample_shape) == (1437, (8, 8))
    assert digits.x.dtype == np.float64
    assert (digits.x.min(), digits.x.max()) == (-1.0, 1.0)
    assert digits.x_test is not None
    assert digits.y_test is not None
    assert digits.x_test.shape == (360, 8, 8)
    assert np.bincount(digits.y_test).tolist() == [36] * 10
    # counts of the 1797 images of the test part as UCI publishes them
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (np.bincount(digits.y) + np.bincount(digits.y_test)).tolist() == counts
    # 16 grey levels: (v/16 − 0.5)/0.5 is a multiple of 1/8
    assert np.array_equal(digits.x * 8, np.round(digits.x * 8))


def test_digits_train_and_test_images_are_learnable_and_agree():
    digits = load_dataset("digits")
    assert digits.x_test is not None
    assert digits.y_test is not None

    def design(x: np.ndarray) -> np.ndarray:
        return np.column_stack([x.reshape(len(x), -1), np.ones(len(x))])

    fit = np.linalg.lstsq(design(digits.x), targets(digits.y, 10, "digits"), rcond=None)[0]
    accuracy = np.mean((design(digits.x_test) @ fit).argmax(axis=1) == digits.y_test)
    assert accuracy > 0.9


@pytest.mark.exhaustive
def test_digits_file_is_what_the_tool_writes(tmp_path: Path):
    pytest.importorskip("sklearn", reason="scikit-learn, needed by tools/data/make_digits.py, is not installed")
    made = tmp_path / "digits.npz"
    subprocess.run([sys.executable, ROOT / "tools" / "data" / "make_digits.py", made], check=True, capture_output=True)
    with np.load(made) as fresh, np.load(ROOT / "data" / "digits.npz") as shipped:
        assert fresh.files == shipped.files
        for name in shipped.files:
            assert np.array_equal(fresh[name], shipped[name])
            assert shipped[name].dtype == np.uint8


def test_mnist1d_has_the_published_sizes_and_statistics():
    data = load_dataset("mnist1d", seed=3)
    assert (data.x.shape, data.y.shape) == ((4000, 40), (4000,))
    assert data.x_test is not None
    assert data.y_test is not None
    everything = np.concatenate([data.x, data.x_test])
    assert abs(everything.mean()) < 1e-12
    assert abs(everything.std() - 1) < 1e-12
    assert (np.bincount(data.y) + np.bincount(data.y_test)).tolist() == [500] * 10
    assert np.bincount(data.y_test).min() > 60


def test_mnist1d_is_as_hard_for_a_linear_readout_as_published():
    # the paper's logistic regression reaches 32 %, where chance is 10 %; least squares comes to a little less
    data = load_dataset("mnist1d")
    assert data.x_test is not None
    assert data.y_test is not None
    fit = np.linalg.lstsq(data.x, targets(data.y, 10, "mnist1d"), rcond=None)[0]
    accuracy = np.mean((data.x_test @ fit).argmax(axis=1) == data.y_test)
    assert 0.22 < accuracy < 0.34


def test_mnist1d_templates_start_at_zero_with_a_sixth_standard_deviation():
    curves = templates()
    assert np.array_equal(curves[:, 0], np.zeros(10))
    assert curves.std(axis=1) == pytest.approx(np.full(10, 1 / 6))
    raw = np.array([5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5])
    assert curves[0] == pytest.approx((raw - 5) / raw.std() / 6)


def test_mnist1d_interpolation_equals_numpys():
    from pcsim.datasets.mnist1d import _resampled  # pyright: ignore[reportPrivateUsage]

    rng = np.random.default_rng(0)
    curves, lengths = rng.standard_normal((20, 72)), rng.integers(48, 73, size=20)
    fine = _resampled(curves, lengths, 72)
    for curve, length, row in zip(curves, lengths, fine, strict=True):
        at, known = np.linspace(0, 1, 72), np.linspace(0, 1, length)
        assert row == pytest.approx(np.interp(at, known, curve[:length]), abs=1e-12)


@pytest.mark.parametrize("name", ["mnist1d", "gaussian-line"])
def test_generated_data_follows_the_seed(name: str):
    first, again, other = (load_dataset(name, seed=seed, noise=0.1) for seed in (5, 5, 6))
    assert np.array_equal(first.x, again.x)
    assert np.array_equal(first.y, again.y)
    assert not np.array_equal(first.x, other.x)
    assert "seed 5" in first.source


def test_gaussian_line_has_its_moments():
    data = load_dataset("gaussian-line", samples=200_000, slope=2.0, noise=0.5)
    assert (data.x.shape, data.y.shape) == ((200_000, 1), (200_000, 1))
    # five standard errors each
    assert data.x.mean() == pytest.approx(1.0, abs=5 * np.sqrt(0.1 / 200_000))
    assert data.x.var() == pytest.approx(0.1, rel=5 * np.sqrt(2 / 200_000))
    rest = data.y - 2.0 * data.x
    assert rest.std() == pytest.approx(0.5, rel=5 / np.sqrt(400_000))
    assert abs(np.mean(rest * (data.x - 1))) < 5 * 0.5 * np.sqrt(0.1 / 200_000)


@given(count=st.integers(1, 200), more=st.integers(0, 200), noise=st.sampled_from([0.0, 0.3]))
def test_gaussian_line_samples_do_not_depend_on_how_many_are_drawn(count: int, more: int, noise: float):
    few = load_dataset("gaussian-line", seed=1, samples=count, noise=noise)
    many = load_dataset("gaussian-line", seed=1, samples=count + more, noise=noise)
    assert np.array_equal(few.x, many.x[:count])
    assert np.array_equal(few.y, many.y[:count])


def test_gaussian_line_defaults_to_the_noiseless_descending_line():
    data = load_dataset("gaussian-line")
    assert len(data) == 1024
    assert np.array_equal(data.y, -data.x)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("minst", {}, "did you mean 'mnist'?"),
        ("imagenet", {}, ", ".join(DATASET_NAMES)),
        ("digits", {"file": Path("x.npz")}, "the data set 'digits' takes no file"),
        ("npz", {}, "the data set 'npz' needs a file"),
        ("mnist1d", {"seed": -1}, "seed -1"),
        ("gaussian-line", {"samples": 0}, "0 samples"),
        ("gaussian-line", {"noise": -0.5}, "noise -0.5"),
        ("gaussian-line", {"noise": float("nan")}, "noise nan"),
        ("gaussian-line", {"slope": float("inf")}, "slope inf"),
    ],
)
def test_wrong_choices_are_one_line(name: str, options: dict[str, float], said: str):
    with pytest.raises(UsageError, match=re.escape(said)) as error:
        load_dataset(name, **options)  # pyright: ignore[reportArgumentType]
    one_line(error)


def test_first_batch_is_in_file_order():
    digits = load_dataset("digits")
    x, y = first_batch(digits, 5, None)
    assert np.array_equal(x, digits.x[:5])
    assert np.array_equal(y, digits.y[:5])


@pytest.mark.parametrize(("samples", "taken"), [(10, 10), (64, 64), (100, 64)])
def test_first_batch_defaults_to_at_most_64(samples: int, taken: int):
    x, y = first_batch(small(samples), None, None)
    assert len(x) == len(y) == taken


def test_first_batch_shuffles_by_seed_and_keeps_pairs():
    data = small(100)
    x, y = first_batch(data, 20, 7)
    again, _ = first_batch(data, 20, 7)
    other, _ = first_batch(data, 20, 8)
    assert np.array_equal(x, again)
    assert not np.array_equal(x, other)
    chosen = (x[:, 0] / 2).astype(int)
    assert len(set(chosen.tolist())) == 20
    assert np.array_equal(y, chosen % 3)
    # a smaller batch of the same shuffle is the start of the larger one
    assert np.array_equal(first_batch(data, 5, 7)[0], x[:5])


@pytest.mark.parametrize("batch", [0, -3, 11])
def test_a_batch_that_is_not_there_names_the_number_of_samples(batch: int):
    with pytest.raises(UsageError, match=rf"a batch of {batch} .*'npz' has 10 samples; use 1 to 10") as error:
        first_batch(small(10), batch, None)
    one_line(error)


def test_a_batch_is_a_copy():
    data = small(10)
    x, _ = first_batch(data, 4, None)
    x += 1.0
    assert data.x[0, 0] == 0.0
