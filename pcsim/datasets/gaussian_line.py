"""One-dimensional regression on a line, the toy problem of the trust-region paper."""

import math

import numpy as np

from pcsim.datasets.dataset import Dataset
from pcsim.errors import UsageError

DEFAULT_SAMPLES = 1024
_VARIANCE = 0.1


def gaussian_line(seed: int, samples: int | None, slope: float, noise: float) -> Dataset:
    """Return y = slope·x + noise·ξ with x ~ N(1, variance 0.1) and ξ ~ N(0, 1), both of shape (samples, 1).

    Sample b depends on the seed and b alone, not on how many are drawn. Raises UsageError for a number of
    samples below 1, a slope that is not finite, or a noise that is negative or not finite.
    Source: Innocenti et al. 2023 (slope −1, no noise).
    """
    count = DEFAULT_SAMPLES if samples is None else samples
    if count < 1:
        raise UsageError(f"gaussian-line: {count} samples asked for; at least 1 is needed")
    if not math.isfinite(slope):
        raise UsageError(f"slope {slope}: must be a finite number")
    if not (math.isfinite(noise) and noise >= 0):
        raise UsageError(f"noise {noise}: must be a finite number, 0 or larger")
    draws = np.random.default_rng(seed).standard_normal((count, 2))
    x = 1.0 + math.sqrt(_VARIANCE) * draws[:, :1]
    y = slope * x + noise * draws[:, 1:]
    return Dataset("gaussian-line", x, y, None, None, f"generated: slope {slope:g}, noise {noise:g}, seed {seed}")
