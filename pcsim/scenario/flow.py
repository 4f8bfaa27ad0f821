"""Inference in continuous time: solvers and the times to record, and what does not go together with them."""

import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator

from pcsim.scenario.fields import Allowed, AtLeastTwo, Inconsistency, Positive, Table

if TYPE_CHECKING:
    from pcsim.scenario.inference import InferenceTable

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


def flow_problems(table: "InferenceTable", solver: Solver) -> list[Inconsistency]:
    """Return what in a table with a solver does not go together."""
    problems = (_time_problems, _step_problems, _noise_problems, _stop_problems)
    return [found for problems_of in problems for found in problems_of(table, solver)]


def _time_problems(table: "InferenceTable", solver: Solver) -> list[Inconsistency]:
    if table.t_end is None:
        text = (
            f'inference.t_end is missing; solver = "{solver}" needs it, a number greater than 0, '
            "or a save_at that ends with it"
        )
        return [Inconsistency(("inference.solver",), text)]
    last = table.save_at.last if isinstance(table.save_at, LogTimes) else (table.save_at or (0.0,))[-1]
    if last <= table.t_end:
        return []
    text = (
        f"inference.save_at goes on to {last}, but inference.t_end is {table.t_end}; "
        f"leave out the later times, or make t_end {last} or more"
    )
    return [Inconsistency(("inference.save_at", "inference.t_end"), text)]


def _step_problems(table: "InferenceTable", solver: Solver) -> list[Inconsistency]:
    is_constant = "step_size" in table.model_fields_set
    if solver == "euler" and not is_constant:
        text = 'inference.step_size is missing; solver = "euler" has no error estimate and needs it, a number above 0'
        return [Inconsistency(("inference.solver",), text)]
    written = [f"inference.{key}" for key in TOLERANCES if getattr(table, key) is not None]
    if is_constant and written:
        text = (
            f"inference.step_size makes constant steps, {' and '.join(written)} adaptive ones; keep one of the two ways"
        )
        return [Inconsistency(("inference.step_size", *written), text)]
    return []


def _stop_problems(table: "InferenceTable", solver: Solver) -> list[Inconsistency]:
    reasons = {
        "relative_change": "the steps of a solver are its own, and what changes in one says nothing of the flow",
        "arrival": "in continuous time a signal is in every layer from the first moment on",
    }
    return [
        Inconsistency(
            (f"inference.stop.{word}", "inference.solver"),
            f'inference.stop.{word} does not go with solver = "{solver}": {reasons[word]}; give grad_norm instead',
        )
        for word in (table.stop.of_steps if table.stop is not None else ())
    ]


def _noise_problems(table: "InferenceTable", solver: Solver) -> list[Inconsistency]:
    if table.noise == 0:
        return []
    found: list[Inconsistency] = []
    subject = f"inference.noise = {table.noise}"
    if solver not in NOISY:
        text = f'{subject} does not go with solver = "{solver}"; choose euler, heun or midpoint, or write noise = 0'
        found.append(Inconsistency(("inference.noise", "inference.solver"), text))
    elif table.tolerances is not None:
        text = f"{subject} needs constant steps; write a step_size without rtol and atol, or noise = 0"
        found.append(Inconsistency(("inference.noise", "inference.solver"), text))
    if table.form == "increment":
        text = f'{subject} does not go with form = "increment"; write form = "standard" or noise = 0'
        found.append(Inconsistency(("inference.noise", "inference.form"), text))
    return found
