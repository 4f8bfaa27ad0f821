"""Random numbers by counter: against what the generator's authors publish, and the same on numpy and JAX."""

from typing import Any

import jax
import numpy as np
import pytest
from pcsim_jax.namespace import JaxNamespace
from scipy.stats import kstest

from pcsim.inference.draws import normals, seed_words, threefry
from tests.support.cases import XP

SEED = seed_words(7 + 2**40)
SAMPLES = np.arange(50)


def drawn(samples: Any = SAMPLES, update: int = 3, step: int = 5, units: int = 400, seed: Any = SEED) -> Any:
    return normals(XP, seed, update, samples, step, units)


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((2**32 - 1, 2**32 - 1), (2**32 - 1, 2**32 - 1), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_enciphers_as_published(key: Any, counter: Any, expected: Any) -> None:
    words = [np.array([word], np.uint32) for word in (*key, *counter)]
    found = threefry((words[0], words[1]), (words[2], words[3]))
    assert tuple(int(word[0]) for word in found) == expected


def test_draws_are_standard_normal_and_independent() -> None:
    found = np.stack([drawn(step=step, update=update) for step, update in ((1, 0), (2, 0), (1, 1))])
    assert kstest(found.ravel(), "norm").pvalue > 0.01
    flat = found.reshape(3, -1)
    pairs = [flat[:2], flat[::2], found[0, :, :2].T, found[0, :2], [flat[0, 1:], flat[0, :-1]]]
    for pair in map(np.asarray, pairs):
        assert abs(np.corrcoef(pair)[0, 1]) < 4.0 / np.sqrt(pair.shape[1])


def test_draws_depend_on_what_they_are_for_alone() -> None:
    rows = np.array([31, 4])
    np.testing.assert_array_equal(drawn(rows), drawn()[rows])
    np.testing.assert_array_equal(drawn(units=7), drawn()[:, :7])
    changes: list[dict[str, Any]] = [{"update": 4}, {"step": 6}, {"seed": seed_words(7)}, {"samples": SAMPLES + 50}]
    for change in changes:
        assert not (drawn(**change) == drawn()).any()


@pytest.mark.usefixtures("jax_in_double")
def test_jax_draws_what_numpy_does() -> None:
    @jax.jit
    def on_jax(samples: Any, step: Any, update: Any) -> Any:
        return normals(JaxNamespace(), SEED, update * 1.0, samples, step * 1.0, 400)

    np.testing.assert_allclose(on_jax(SAMPLES, 5, 3), drawn(), rtol=0, atol=4e-15)
