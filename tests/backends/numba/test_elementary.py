"""The elementary functions of the Numba kernels, against exact values."""

from collections.abc import Callable
from typing import Any

import flint
import numba
import numpy as np
import pytest
from pcsim_numba.kernels.elementary import exp_down, normal, tanh

FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[flint.arb], flint.arb]]] = {
    "tanh": (tanh, lambda x: x.tanh()),
    "exp": (lambda x: exp_down(-abs(x)), lambda x: (-abs(x)).exp()),
    "tail": (lambda x: normal(x)[0], lambda x: (abs(x) / flint.arb(2).sqrt()).erfc() / 2),
}
# In units of the last place of 1; measured: 1.4, 1.0 and 3.1.
ULPS = {"tanh": 2, "exp": 1.5, "tail": 5}


def computed(name: str, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    function = FUNCTIONS[name][0]
    if name != "tanh":
        function = numba.njit(error_model="numpy")(function)

    @numba.njit(error_model="numpy")
    def run(x: Any, into: Any) -> None:
        for k in range(len(x)):
            into[k] = function(x[k])

    found = np.empty_like(x)
    run(x, found)
    return found


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_are_right_to_units_in_the_last_place(name: str, precision: str) -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-12, 12, 1500), rng.standard_normal(500), 10.0 ** rng.uniform(-30, 1, 500)])
    x = x.astype(precision)
    with flint.ctx.workprec(200):
        exact = np.array([float(FUNCTIONS[name][1](flint.arb(float(v))).mid()) for v in x])
    relative = np.abs(computed(name, x) - exact) / np.abs(exact)
    assert relative.max() <= ULPS[name] * np.finfo(precision).eps


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_ends_and_what_is_no_number(precision: str) -> None:
    x = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1e-40, -1e30], precision)
    np.testing.assert_array_equal(computed("tanh", x), np.array([0, 0, np.nan, 1, -1, x[5], -1], precision))
    np.testing.assert_array_equal(computed("exp", x), np.array([1, 1, np.nan, 0, 0, 1, 0], precision))
    below = np.array([95.0, 103.0]).astype(precision)
    # Right to the smallest number there is.
    np.testing.assert_allclose(computed("exp", below), np.exp(-below), rtol=1e-4 if precision == "float64" else 0.5)
