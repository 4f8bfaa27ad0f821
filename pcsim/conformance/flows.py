"""What is compared of continuous time: form × solver × precision."""

from typing import NamedTuple

from pcsim.conformance.cases import METHODS, make_case, make_task
from pcsim.conformance.covering import FEW, covering
from pcsim.conformance.subject import Subject
from pcsim.engine.backend import Flow, Task
from pcsim.inference.stopping import StopRule

FORMS = ("state", "increment", "error")
CONSTANT = ("euler",)
"""Solvers that adapt no steps."""
TIMES = (0.0, 0.1, 0.5, 2.0)
RTOL, STEP = 1e-5, 0.05


class FlowCase(NamedTuple):
    """A method in continuous time, the solver that moves it and its steps, adapted or constant."""

    form: str
    solver: str
    precision: str
    steps: str = "adapted"

    @property
    def is_adapted(self) -> bool:
        """Whether the solver chooses its steps."""
        return self.steps == "adapted" and self.solver not in CONSTANT


def flow_cases_of(subject: Subject, strength: int) -> list[FlowCase]:
    """Return what a backend claims of continuous time, two solvers alone where they are to be few."""
    solvers = subject.able.solvers
    forms = [form for form in FORMS if METHODS[form].name in subject.able.methods]
    if not (solvers and forms):
        return []
    if strength == FEW:
        chosen = (forms[-1], solvers[0]), (forms[0], solvers[len(solvers) // 2])
        return [FlowCase(*words, subject.precision) for words in chosen]
    levels = [forms, solvers, subject.able.precisions]
    found = [FlowCase(*words) for words in covering(levels, strength)]
    adaptive = [solver for solver in solvers if solver not in CONSTANT]
    return found + [FlowCase(forms[0], solver, subject.precision, "constant") for solver in adaptive]


def flow_task(which: FlowCase, *, rtol: float = RTOL, stop: StopRule | None = None) -> Task:
    """Return a flow of a small network, under a stop rule a long one."""
    case = make_case("tanh", widths=(4, 5, 5, 3), batch=2)
    motion = Flow(
        which.solver,
        TIMES if stop is None else (*TIMES, 1000.0, 2000.0),
        step_size=None if which.is_adapted else STEP,
        rtol=rtol,
        atol=1e-3 * rtol,
    )
    inference = METHODS[which.form](case.energy)
    record = ("energy", "grad_norm", "states")
    return make_task(case, inference, motion=motion, record=record, precision=which.precision, stop=stop)
