"""MNIST-1D: ten short curves, one a digit, hidden in noise; small enough to train on in seconds.

Source: S. Greydanus and D. Kobak, "Scaling down deep learning with MNIST-1D" (arXiv:2011.14439). The
templates are data of https://github.com/greydanus/mnist1d (Apache-2.0); the random stream is this project's
own, so samples follow the same distribution as the published file without being the same numbers.
"""

import numpy as np
from jaxtyping import Bool, Float64, Int64

from pcsim.datasets.dataset import Dataset

SAMPLES = 5000
TRAINING_SAMPLES = 4000
POINTS = 40
_PADDING = (36, 60)
_SCALE = 0.4
_SHIFTS = 48
_CORRELATED_NOISE = 0.25
_CORRELATION_LENGTH = 2.0
_NOISE = 2e-2
_SHEAR = 0.75

_CURVES = (
    (5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5),
    (5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5),
    (5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5),
    (5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5),
    (5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5),
    (5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5),
    (5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5),
    (5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5),
)


def mnist1d(seed: int) -> Dataset:
    """Return 4000 training and 1000 test curves of 40 points with labels 0 … 9, in shuffled order.

    Values have mean 0 and standard deviation 1 over all 5000 curves, as published.
    """
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(10, dtype=np.int64), SAMPLES // 10))
    curves = _curves(labels, rng)
    curves = (curves - curves.mean()) / curves.std()
    train, test = slice(TRAINING_SAMPLES), slice(TRAINING_SAMPLES, None)
    source = f"generated: MNIST-1D (Greydanus and Kobak, arXiv:2011.14439), seed {seed}"
    return Dataset("mnist1d", curves[train], labels[train], curves[test], labels[test], source)


def templates() -> Float64[np.ndarray, "10 12"]:
    """Return the ten curves, each with standard deviation 1/6 and shifted to start at 0."""
    curves = np.array(_CURVES, dtype=np.float64)
    curves /= 6.0 * curves.std(axis=1, keepdims=True)
    return curves - curves[:, :1]


def _curves(labels: Int64[np.ndarray, " samples"], rng: np.random.Generator) -> Float64[np.ndarray, "samples 40"]:
    clean, signal = _placed(labels, rng)
    correlated = _correlated_noise(clean.shape, rng)
    noisy = np.where(signal, clean, correlated) + _NOISE * rng.standard_normal(clean.shape)
    tilt = _SHEAR * (rng.random((len(labels), 1)) - 0.5)
    sheared = noisy - tilt * np.linspace(-0.5, 0.5, clean.shape[1])
    return _resampled(sheared, np.full(len(labels), clean.shape[1], dtype=np.int64), POINTS)


def _placed(
    labels: Int64[np.ndarray, " samples"], rng: np.random.Generator
) -> tuple[Float64[np.ndarray, "samples length"], Bool[np.ndarray, "samples length"]]:
    """Return each label's template padded, stretched, scaled and moved, and where it lies."""
    shapes = templates()
    width = shapes.shape[1]
    length = width + _PADDING[1]
    padded = np.zeros((len(labels), length))
    # the published program marks a template by an offset of 1e-8, so that its own zeros count as signal
    padded[:, :width] = shapes[labels] + 1e-8
    lengths = width + rng.integers(_PADDING[0], _PADDING[1], endpoint=True, size=len(labels))
    stretched = _resampled(padded, lengths, length)
    stretched *= 1.0 + _SCALE * (rng.random((len(labels), 1)) - 0.5)
    shifts = rng.integers(_SHIFTS, size=(len(labels), 1))
    moved = np.take_along_axis(stretched, (np.arange(length) - shifts) % length, axis=1)
    return moved, moved != 0


def _correlated_noise(shape: tuple[int, int], rng: np.random.Generator) -> Float64[np.ndarray, "samples length"]:
    # imported here: scipy.ndimage alone would double the time it takes to import the data sets
    from scipy.ndimage import gaussian_filter1d

    noise = _CORRELATED_NOISE * rng.standard_normal(shape)
    return np.asarray(gaussian_filter1d(noise, _CORRELATION_LENGTH, axis=1))


def _resampled(
    curves: Float64[np.ndarray, "samples length"], lengths: Int64[np.ndarray, " samples"], points: int
) -> Float64[np.ndarray, "samples {points}"]:
    """Interpolate the first `lengths` entries of each curve linearly at equally spaced points."""
    position = np.linspace(0.0, 1.0, points) * (lengths[:, np.newaxis] - 1)
    left = np.minimum(position.astype(np.int64), lengths[:, np.newaxis] - 2)
    weight = position - left
    low, high = (np.take_along_axis(curves, index, axis=1) for index in (left, left + 1))
    return (1.0 - weight) * low + weight * high
