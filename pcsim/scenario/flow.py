"""The words of inference in continuous time: solvers and the times to record."""

import sys
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from pcsim.scenario.fields import Allowed, AtLeastTwo, Positive, Table

Solver = Literal[
    "euler",
    "heun",
    "midpoint",
    "bosh3",
    "tsit5",
    "dopri5",
    "dopri8",
    "kvaerno3",
    "kvaerno5",
    "radau",
    "bdf",
    "lsoda",
]
SOLVERS: tuple[str, ...] = Solver.__args__
ADAPTIVE = tuple(word for word in SOLVERS if word != "euler")
"""Solvers that can adapt their steps to tolerances."""
CONSTANT = tuple(word for word in SOLVERS if word not in ("radau", "bdf", "lsoda"))
"""Solvers that can take constant steps."""
NOISY = ("euler", "heun", "midpoint")
"""Solvers for stochastic dynamics."""
TOLERANCES = {"rtol": 1e-6, "atol": 1e-9}


def must_ascend(times: tuple[float, ...]) -> tuple[float, ...]:
    """Return times; `ValueError` unless every one is later than that before."""
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise ValueError
    return times


def _must_grow(span: tuple[float, float, int]) -> tuple[float, float, int]:
    must_ascend(span[:2])
    return span


class LogTimes(Table):
    """Times that are evenly spaced on a logarithmic scale, `save_at = { log = [0.01, 20, 200] }`."""

    log: Annotated[
        tuple[Positive, Positive, AtLeastTwo],
        AfterValidator(_must_grow),
        Allowed("first time, last time and number of times, as in [0.01, 20, 200]"),
    ]
    """First time (greater than 0), last time (greater than the first) and number of times, 2 or more."""

    @property
    def last(self) -> float:
        """The last time."""
        return self.log[1]


def implied_end(save_at: Any) -> dict[str, Any]:
    """Return the `t_end` that a save_at implies, nothing where it is no list or table of times."""
    if isinstance(save_at, dict):
        span = save_at.get("log")
        last = span[1] if isinstance(span, list) and len(span) == 3 else None
    else:
        last = save_at[-1] if isinstance(save_at, list) and save_at else None
    is_time = isinstance(last, int | float) and not isinstance(last, bool) and 0 < last <= sys.float_info.max
    return {"t_end": last} if is_time else {}
