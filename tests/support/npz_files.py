"""A user's own data in small .npz files, and scenarios on them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.scenario_files import TEXT

OWN = (
    TEXT.replace("[64, 32, 32, 10]", "[4, 6, 3]")
    .replace('name = "digits"\nbatch = 16', 'name = "npz"\nfile = "own.npz"\nbatch = 8')
    .replace("steps = 20", "steps = 2")
)
LEARNING = "\n[learning]\nlr = 1e-2\nepochs = 3\nbatch = 8\n"


def samples(count: int = 24, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Return samples of four values and labels of three classes, and as many to test on."""
    draw = np.random.default_rng(seed)
    found: dict[str, NDArray[Any]] = {}
    for end in ("", "_test"):
        found |= {f"x{end}": draw.normal(size=(count, 4)), f"y{end}": draw.integers(3, size=count)}
    return found


def write(**arrays: NDArray[Any]) -> None:
    """Write the samples to `own.npz`, some arrays replaced or added."""
    save("own.npz", {**samples(), **arrays})


def save(path: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays to a file."""
    named: dict[str, Any] = dict(arrays)
    np.savez(path, **named)


def with_value(array: NDArray[Any], value: float, sample: int) -> NDArray[Any]:
    """Return floats with one value put into one sample."""
    changed = array.astype(np.float64)
    changed[sample] = value
    return changed
