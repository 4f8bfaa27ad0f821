"""How descent leaves a saddle: gradient descent, on batches too, the gradient flow, and how long they take."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from pcsim.errors import UsageError
from pcsim.typing import NDArray

Vector = Float64[NDArray[np.float64], " weights"]
Field = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""A gradient, weights to weights."""


class Path(NamedTuple):
    """Weights (record, weights) at ascending `times`: numbers of updates, or times of a flow."""

    times: Float64[NDArray[np.float64], " record"]
    weights: Float64[NDArray[np.float64], "record weights"]


def descent(gradient: Field, start: Vector, rate: float, updates: int) -> Path:
    """Return gradient descent, w ← w − rate ∇(w), after 0, 1, …, `updates` updates."""
    return stochastic_descent(lambda w, _: gradient(w), start, rate, updates)


def stochastic_descent(
    gradient: Callable[[NDArray[np.float64], int], NDArray[np.float64]], start: Vector, rate: float, updates: int
) -> Path:
    """Return descent along a gradient that also takes the number 0, 1, … of the update, whose batch it is of."""
    weights = np.empty((updates + 1, start.size))
    weights[0] = start
    for update in range(updates):
        weights[update + 1] = weights[update] - rate * gradient(weights[update], update)
    return Path(np.arange(updates + 1, dtype=np.float64), weights)


def flow(gradient: Field, start: Vector, times: Float64[NDArray[np.float64], " record"]) -> Path:
    """Return the gradient flow dw/dt = −∇(w) at ascending `times` from 0 on (SciPy's LSODA, rtol 1e-9, atol 1e-12)."""
    from scipy.integrate import solve_ivp

    def velocity(_: float, w: NDArray[np.float64]) -> NDArray[np.float64]:
        return -gradient(w)

    end = float(times[-1])
    solved = solve_ivp(velocity, (0.0, end), start, method="LSODA", t_eval=times, rtol=1e-9, atol=1e-12)
    if not solved.success:
        raise UsageError(f"the gradient flow stopped at time {solved.t[-1]:g}: {solved.message}; use an earlier end")
    return Path(solved.t, solved.y.T)


def escape_time(path: Path, loss: Field, level: float) -> float:
    """Return the first time at which the loss is below `level`, NaN where it never is."""
    found = np.flatnonzero(loss(path.weights) < level)
    return float(path.times[found[0]]) if found.size else np.nan
