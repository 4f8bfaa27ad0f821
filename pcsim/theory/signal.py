"""Signal decay in closed form: how a signal spreads through a chain of layers with identity Jacobians.

With fixed predictions the error at distance i from the output obeys

    e_i ← (1 − λ) e_i + λ e_{i−1},    e_i = 0 at step 0 for i ≥ 1                        (EO paper, B.1)

and what comes of it depends on the source e_0. A source that relaxes, e_0 ← (1 − λ) e_0, gives the binomial term
C(t,i) λ^i (1−λ)^{t−i} of the paper's eq. 4. A clamped output with a frozen prediction is a constant source, and the
error is the tail P(Bin(t, λ) ≥ i) = I_λ(i, t−i+1): by P(Bin(t+1) ≥ i) = (1−λ) P(Bin(t) ≥ i) + λ P(Bin(t) ≥ i−1). Both
are λ^i at the front t = i, and the binomial term is the difference of neighbouring errors e_i − e_{i+1}: the gradient
of the state at distance i + 1, so that eq. 4 is exact for gradients.

All functions broadcast over their arguments and return natural logarithms, −∞ where no signal has arrived; nothing
underflows however deep the network.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy.special import betainc, gammainc, gammaln, xlog1py, xlogy

from pcsim.errors import UsageError
from pcsim.model.arrays import Numbers, Values
from pcsim.typing import NDArray

_UNDERFLOW = 1e-280
"""Below this the regularised functions of SciPy lose digits and then vanish; a series in the log takes over."""


def log_binomial_profile(step: Numbers, distance: Numbers, step_size: Numbers) -> Values:
    """Return log C(t,i) λ^i (1−λ)^{t−i}: eq. 4 of the EO paper as it is printed.

    `step` t ≥ 0 and `distance` i ≥ 0 from the output in layers are whole numbers, 0 < `step_size` λ ≤ 1; they
    broadcast. In units of the output error at the start it is the error with a source that relaxes, and exactly the
    gradient of the state at distance i + 1 with fixed predictions. Raises `UsageError` outside that range.
    """
    t, i, size = _broadcast(step, distance, step_size)
    return _log_binomial(t, i, size)


def log_fixed_prediction_profile(step: Numbers, distance: Numbers, step_size: Numbers) -> Values:
    """Return log P(Bin(t, λ) ≥ i), the exact error of SO with fixed predictions on a chain of identity layers.

    In units of the output error, which stays as it is; arguments as in `log_binomial_profile`. From the recursion of
    EO paper B.1 with a constant source.
    """
    t, i, size = _broadcast(step, distance, step_size)
    inside = (i >= 1) & (i <= t)
    regular = np.asarray(betainc(np.where(inside, i, 1.0), np.where(inside, t - i + 1, 1.0), size))
    with np.errstate(divide="ignore"):
        odds = size / (1 - size)
    tail = _log_tail(_log_binomial(t, i, size), regular, lambda k: np.maximum(t - i - k, 0) / (i + 1 + k) * odds)
    return np.where(i == 0, 0.0, np.where(inside, tail, -np.inf))


def log_poisson_profile(time: Numbers, distance: Numbers) -> Values:
    """Return log τ^i e^{−τ}/i!, the limit of `log_binomial_profile` for λ → 0 at `time` τ = λt ≥ 0.

    `distance` is a whole number ≥ 0; both broadcast. Raises `UsageError` outside that range. Model: section 3.
    """
    tau, i = _broadcast_time(time, distance)
    return _log_poisson(tau, i)


def log_fixed_prediction_limit(time: Numbers, distance: Numbers) -> Values:
    """Return log P(Poisson(τ) ≥ i), the limit of `log_fixed_prediction_profile` for λ → 0 at `time` τ = λt.

    It is the error under gradient flow with fixed predictions; arguments as in `log_poisson_profile`.
    """
    tau, i = _broadcast_time(time, distance)
    inside = (i >= 1) & (tau > 0)
    regular = np.asarray(gammainc(np.where(inside, i, 1.0), tau))
    tail = _log_tail(_log_poisson(tau, i), regular, lambda k: tau / (i + 1 + k))
    return np.where(i == 0, 0.0, np.where(inside, tail, -np.inf))


def arrival_steps(layers: int) -> NDArray[np.int64]:
    """Return the arrival step of each of `layers` layers in exact arithmetic, input to output.

    The layer at distance i from the output arrives at step i, whatever the step size (model: section 3). It holds for
    SO from a feedforward start without skips longer than 1.
    """
    return np.arange(layers - 1, -1, -1, dtype=np.int64)


def log10(profile: Values) -> Values:
    """Return a profile's natural logarithms as decimal ones, for axes and tables."""
    return np.asarray(profile / math.log(10.0))


def _log_binomial(t: Values, i: Values, size: Values) -> Values:
    above = np.maximum(t - i, 0.0)
    log_choose = gammaln(t + 1) - gammaln(i + 1) - gammaln(above + 1)
    return np.where(i > t, -np.inf, log_choose + xlogy(i, size) + xlog1py(above, -size))


def _log_poisson(tau: Values, i: Values) -> Values:
    return np.asarray(xlogy(i, tau) - tau - gammaln(i + 1))


def _log_tail(log_term: Values, regular: Values, ratio: Callable[[int], Values]) -> Values:
    """Return the log of a tail sum: of `regular` where that has digits, else from its first term and term ratios.

    So small a tail lies far above the mode, where the ratios are below 1 and fall: the series converges fast.
    """
    tiny = regular < _UNDERFLOW
    with np.errstate(divide="ignore"):
        tail = np.log(np.where(tiny, 1.0, regular))
    term = np.where(tiny, 1.0, 0.0)
    total, k = term, 0
    while bool((term > np.finfo(np.float64).eps * total).any()):
        # An infinite ratio belongs to λ = 1, whose tail is not tiny: its term is 0 already.
        term = np.where(tiny, term * np.where(tiny, ratio(k), 0.0), 0.0)
        total, k = total + term, k + 1
    return np.where(tiny, log_term + np.log(np.where(tiny, total, 1.0)), tail)


def _broadcast(step: Numbers, distance: Numbers, step_size: Numbers) -> tuple[Values, Values, Values]:
    t, i, size = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (step, distance, step_size)))
    _require_whole("step", t)
    _require_whole("distance", i)
    if not ((size > 0) & (size <= 1)).all():
        raise UsageError(
            f"step_size holds {_first(size, ~((size > 0) & (size <= 1)))}; the signal profile is a binomial law in it "
            "and needs 0 < step_size <= 1"
        )
    return t, i, size


def _broadcast_time(time: Numbers, distance: Numbers) -> tuple[Values, Values]:
    tau, i = np.broadcast_arrays(np.asarray(time, dtype=np.float64), np.asarray(distance, dtype=np.float64))
    _require_whole("distance", i)
    if not ((tau >= 0) & np.isfinite(tau)).all():
        raise UsageError(f"time holds {_first(tau, ~((tau >= 0) & np.isfinite(tau)))}; it needs finite times >= 0")
    return tau, i


def _require_whole(name: str, values: Values) -> None:
    bad = ~((values >= 0) & (values == np.floor(values)) & np.isfinite(values))
    if bad.any():
        raise UsageError(f"{name} holds {_first(values, bad)}; it needs whole numbers, 0 or more")


def _first(values: Values, bad: NDArray[np.bool_] | np.bool_) -> str:
    return f"{float(values[bad].flat[0]):g}"
