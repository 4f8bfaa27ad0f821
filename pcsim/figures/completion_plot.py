"""Panels on completed samples: the samples themselves beside what was hidden of them, and how far off each is."""

import math
from typing import Any

import numpy as np

from pcsim.figures.completion import Completion, completions
from pcsim.trace import Trace
from pcsim.typing import NDArray

SHOWN = 8
"""Samples in the picture, the first ones."""
ROWS = ("sample", "known", "completed")


def has_completion(trace: Trace) -> bool:
    """Return whether there are completed samples to draw."""
    return bool(completions(trace))


def draw_samples(axes: Any, trace: Trace) -> None:
    """Draw the first samples as images, or one as a curve where they are none."""
    found = _last(trace)
    if math.isqrt(found.mask.size) ** 2 == found.mask.size:
        _draw_images(axes, found)
    else:
        _draw_curve(axes, found)


def _last(trace: Trace) -> Completion:
    # Where both ends are masked the output is what a network says of the sample.
    return completions(trace)[-1]


def _draw_images(axes: Any, found: Completion) -> None:
    edge = math.isqrt(found.mask.size)
    rows = [found.truth[:SHOWN], np.where(found.mask, np.nan, found.truth[:SHOWN]), found.completed[:SHOWN]]
    low, high = float(found.truth.min()), float(found.truth.max())
    axes.imshow(np.concatenate([_strip(row, edge) for row in rows]), cmap="gray", vmin=low, vmax=high)
    axes.set_facecolor("#56B4E9")
    axes.set_yticks([(edge + 1) * i + edge / 2 for i in range(len(rows))], ROWS)
    axes.set_xticks([])


def _strip(images: NDArray[np.float64], edge: int) -> NDArray[np.float64]:
    """Return images side by side, with a border of one hidden pixel."""
    framed = np.pad(images.reshape(-1, edge, edge), ((0, 0), (0, 1), (0, 1)), constant_values=np.nan)
    return np.concatenate(list(framed), axis=1)


def _draw_curve(axes: Any, found: Completion) -> None:
    unit = np.arange(found.mask.size)
    axes.plot(unit, found.truth[0], color="black", linewidth=1, label="first sample")
    axes.plot(unit[found.mask], found.completed[0, found.mask], "o", color="#0072B2", markersize=3, label="completed")
    axes.set_xlabel("unit")
    axes.legend(frameon=False)


def draw_errors(axes: Any, trace: Trace) -> None:
    """Draw the error of every sample over that of the mean sample."""
    found = _last(trace)
    guess, completed = (
        np.mean((values - found.truth)[:, found.mask] ** 2, axis=1)
        for values in (np.broadcast_to(found.mean, found.truth.shape), found.completed)
    )
    most = 1.05 * float(max(guess.max(), completed.max()))
    axes.plot([0, most], [0, most], color="0.6", linewidth=0.8)
    axes.plot(guess, completed, "o", color="#0072B2", markersize=3)
    axes.set_xlabel("mean squared error of the mean sample")
    axes.set_ylabel("of the completed sample")
    axes.set_title(f"masked units: {found.error:.3g}, mean sample {found.baseline:.3g}", loc="right")
