"""A checkpoint to test with, and how two are compared."""

from typing import Any

import numpy as np

from pcsim.runs.checkpoint import Checkpoint, Origin, by_path

SCENARIO = 'title = "ε"\nseed = 1\n[network]\nwidths = [4, 5, 3]\n\n[learning]\nlr = 0.1\nschedule = { warmup = 0.1 }\n'
ORIGIN = Origin(SCENARIO, "numpy", "float32", "pcsim 0.1.0, numpy 2.1.0")


def tree(dtype: Any = np.float32, seed: int = 0) -> dict[str, Any]:
    """Parameters, and memory nested as deep as any optimiser's, one of them without any."""
    draw = np.random.default_rng(seed)

    def array(*shape: int) -> Any:
        return draw.normal(size=shape).astype(dtype)

    odd = np.array([0.0, -0.0, np.inf, np.nan, 5e-324]).astype(dtype)
    layer = {"W": (array(4, 5), array(4, 5)), "b": (odd, odd.copy())}
    return {
        "parameters": {"W_0": array(4, 5), "b_0": odd, "W_1": np.asfortranarray(array(5, 3))},
        "memory": (layer, {}, {"W": ()}, {"W": (array(2)[:1], (array(3, 2),))}, np.int64(3), np.array(2.5)),
        "best": {"W_0": array(4, 5)},
    }


def sample(dtype: Any = np.float32, seed: int = 0, parts: tuple[str, ...] = ("parameters", "memory", "best")) -> Any:
    held = tree(dtype, seed)
    arrays = {path: array for part in parts for path, array in by_path(held[part], part).items()}
    numbers = {"epoch": 3, "updates": 10**12, "best_loss": float("inf"), "waited": 0, "loss": 0.1}
    return Checkpoint(ORIGIN, arrays, numbers)


def assert_same(found: Any, wanted: Any) -> None:
    if hasattr(wanted, "dtype"):
        wanted = np.asarray(wanted)
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
        assert found.tobytes() == wanted.tobytes()
        assert wanted.flags.c_contiguous == found.flags.c_contiguous
        return
    assert type(found) is type(wanted)
    if isinstance(wanted, dict):
        assert list(found) == list(wanted)
        for key in wanted:
            assert_same(found[key], wanted[key])
    elif isinstance(wanted, tuple | list):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            assert_same(one, other)
    else:
        assert found == wanted


def assert_same_checkpoint(found: Checkpoint, wanted: Checkpoint) -> None:
    for path, array in wanted.arrays.items():
        assert_same(found.restored(np.zeros_like(array), path), array)
    assert list(found.arrays) == list(wanted.arrays)
    assert (found.origin, found.numbers) == (wanted.origin, wanted.numbers)
