"""What words of continuous time do not go together."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from pcsim.scenario.fields import Inconsistency, clash
from pcsim.scenario.flow import NOISY, TOLERANCES, LogTimes, Solver
from pcsim.scenario.stop import Stop, single_steps_problems


@runtime_checkable
class FlowWords(Protocol):
    """The words of `[inference]` that continuous time looks at."""

    @property
    def solver(self) -> Solver | None: ...
    @property
    def t_end(self) -> float | None: ...
    @property
    def save_at(self) -> tuple[float, ...] | LogTimes | None: ...
    @property
    def tolerances(self) -> tuple[float, float] | None: ...
    @property
    def noise(self) -> float: ...
    @property
    def stop(self) -> Stop | None: ...
    @property
    def form(self) -> str: ...
    @property
    def model_fields_set(self) -> set[str]: ...


def flow_problems(table: FlowWords) -> Iterator[Inconsistency]:
    """Yield what in a table with a solver does not go together."""
    if table.solver is not None:
        for problems_of in (_time_problems, _step_problems, _noise_problems, _stop_problems):
            yield from problems_of(table, table.solver)


def _time_problems(table: FlowWords, solver: Solver) -> Iterator[Inconsistency]:
    if table.t_end is None:
        text = (
            f'inference.t_end is missing; solver = "{solver}" needs it, a number greater than 0, '
            "or a save_at that ends with it"
        )
        yield Inconsistency(("inference.solver",), text)
        return
    last = table.save_at.last if isinstance(table.save_at, LogTimes) else (table.save_at or (0.0,))[-1]
    if last > table.t_end:
        text = (
            f"inference.save_at goes on to {last}, but inference.t_end is {table.t_end}; "
            f"leave out the later times, or make t_end {last} or more"
        )
        yield Inconsistency(("inference.save_at", "inference.t_end"), text)


def _step_problems(table: FlowWords, solver: Solver) -> Iterator[Inconsistency]:
    is_constant = "step_size" in table.model_fields_set
    written = [f"inference.{key}" for key in TOLERANCES if getattr(table, key) is not None]
    if solver == "euler" and not is_constant:
        text = 'inference.step_size is missing; solver = "euler" has no error estimate and needs it, a number above 0'
        yield Inconsistency(("inference.solver",), text)
    elif is_constant and written:
        text = (
            f"inference.step_size makes constant steps, {' and '.join(written)} adaptive ones; keep one of the two ways"
        )
        yield Inconsistency(("inference.step_size", *written), text)


def _stop_problems(table: FlowWords, solver: Solver) -> Iterator[Inconsistency]:
    reasons = {
        "relative_change": "the steps of a solver are its own, and what changes in one says nothing of the flow",
        "arrival": "in continuous time a signal is in every layer from the first moment on",
    }
    yield from single_steps_problems(table.stop, f'solver = "{solver}"', reasons)


def _noise_problems(table: FlowWords, solver: Solver) -> Iterator[Inconsistency]:
    if table.noise == 0:
        return
    noise = f"inference.noise = {table.noise}"
    if solver not in NOISY:
        yield clash(noise, f'solver = "{solver}"', "choose euler, heun or midpoint, or write noise = 0")
    elif table.tolerances is not None:
        text = f"{noise} needs constant steps; write a step_size without rtol and atol, or noise = 0"
        yield Inconsistency(("inference.noise", "inference.solver"), text)
    if table.form == "increment":
        yield clash(noise, 'form = "increment"', 'write form = "standard" or noise = 0')
