"""What digits cost: every solver on three flows, against a reference."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import pcsim
from pcsim.linear import linear_system
from pcsim.runs.experiment import prepare
from pcsim.scenario import Scenario, parse_scenario
from tools.studies.pages import table

Values = NDArray[np.float64]

CONSTANT = ("euler", "heun", "midpoint")
"""Solvers that are measured with constant steps."""
STUDIED = {
    "jax": (*CONSTANT, "bosh3", "tsit5", "dopri5", "dopri8", "kvaerno3", "kvaerno5"),
    "numpy": ("euler", "dopri5", "dopri8", "radau", "bdf", "lsoda"),
}
COLOURS = {
    "euler": "tab:brown",
    "heun": "tab:pink",
    "midpoint": "tab:gray",
    "bosh3": "tab:olive",
    "tsit5": "tab:cyan",
    "dopri5": "tab:blue",
    "dopri8": "tab:purple",
    "kvaerno3": "tab:orange",
    "kvaerno5": "tab:red",
    "radau": "tab:red",
    "bdf": "tab:orange",
    "lsoda": "tab:green",
}


@dataclass(frozen=True)
class Problem:
    """A flow that every solver is timed on, with the step sizes of the constant steps; one sample."""

    title: str
    network: str
    t_end: float
    step_sizes: tuple[float, ...]
    tolerances: tuple[float, ...]
    left_out: tuple[str, ...] = ()

    def scenario(self, backend: str, solver: str, setting: float) -> Scenario:
        """Return the run with one setting: a step size, or a tolerance that is both rtol and atol."""
        constant = f"step_size = {setting}" if solver in CONSTANT else f"rtol = {setting}\natol = {setting}"
        return parse_scenario(
            f'{self.network}\n[data]\nname = "digits"\nbatch = 1\n[inference]\nmethod = "state"\n'
            f'loss = "squared-error"\nsolver = "{solver}"\nt_end = {self.t_end}\nsave_at = [{self.t_end}]\n{constant}\n'
            f'[backend]\nname = "{backend}"\nprecision = "float64"'
        )


MILD = Problem(
    "mild: 20 tanh layers, to t = 5",
    "[network]\ninput = 64\nhidden = { layers = 19, width = 32 }\noutput = 10\n"
    'activation = "tanh"\ninit = "orthogonal"',
    5.0,
    (0.25, 0.0625, 0.015625, 0.00390625, 0.0009765625),
    (1e-3, 1e-5, 1e-7, 1e-9, 1e-11),
)
DEEP = Problem(
    "stiff by depth: 20 linear µPC residual layers, to t = 1000",
    '[network]\ninput = 64\nhidden = { layers = 19, width = 32 }\noutput = 10\nactivation = "linear"\n'
    'order = "activation-first"\nparametrisation = "mupc"\nskip = true\nbias = false',
    1000.0,
    (0.4, 0.1),
    (1e-3, 1e-5, 1e-7, 1e-9),
)
PRECISE = Problem(
    "stiff by precisions: 6 tanh layers, γ = 1 and 1000, to t = 20",
    "[network]\ninput = 64\nhidden = { layers = 5, width = 32 }\noutput = 10\n"
    'activation = "tanh"\ninit = "orthogonal"\n'
    "precisions = [1.0, 1.0, 1.0, 1000.0, 1000.0]",
    20.0,
    (4e-4, 1e-4),
    (1e-3, 1e-5, 1e-7, 1e-9),
    left_out=("numpy euler", "numpy dopri5", "numpy dopri8"),
)


@dataclass(frozen=True)
class Point:
    """One run: its error at the end and what it cost."""

    error: float
    seconds: float
    evaluations: int
    steps: int
    rejected: int


def final_states(trace: pcsim.Trace) -> Values:
    return np.concatenate([state.ravel() for state in trace.final_states[:-1]]).astype(np.float64)


def measure(problem: Problem, backend: str, solver: str, setting: float, exact: Values) -> Point:
    """Run a solver up to three times, once if it takes long, and return the fastest run."""
    points: list[Point] = []
    while len(points) < 3 and sum(point.seconds for point in points) < 0.5:
        with pcsim.run(problem.scenario(backend, solver, setting)) as trace:
            facts, error = trace.attributes, np.linalg.norm(final_states(trace) - exact) / np.linalg.norm(exact)
            counts = [int(facts[name]) for name in ("field_evaluations", "steps_taken", "rejected_steps")]
            points.append(Point(float(error), float(facts["inference_seconds"]), *counts))
    return min(points, key=lambda point: point.seconds)


def work_and_precision(problem: Problem) -> tuple[dict[str, list[Point]], str]:
    """Return the points of every solver, "backend solver", and what is known of the reference."""
    reference = problem.scenario("jax", "dopri8", 1e-12)
    with pcsim.run(reference) as trace:
        exact = final_states(trace)
    points: dict[str, list[Point]] = {}
    for backend, solvers in STUDIED.items():
        for solver in solvers:
            if (name := f"{backend} {solver}") in problem.left_out:
                continue
            settings = problem.step_sizes if solver in CONSTANT else problem.tolerances
            points[name] = [measure(problem, backend, solver, setting, exact) for setting in settings]
    return points, conditioning(reference, exact, problem)


def conditioning(reference: Scenario, found: Values, problem: Problem) -> str:
    """Return the condition number of a linear network's Hessian and the distance to its exact solution, in words."""
    if reference.network.activation != "linear":
        return ""
    task = prepare(reference).task
    system = linear_system(task.inference.energy, task.parameters, task.x, task.y)
    trajectory = system.trajectory()
    states = trajectory.states(trajectory.flow([problem.t_end]))
    exact = np.concatenate([state.ravel() for state in states])
    low, high = trajectory.curvatures[0], trajectory.curvatures[-1]
    return (
        f"Curvatures from {low:.2g} to {high:.2g}, condition number {high / low:.0f}. The reference is within "
        f"{np.linalg.norm(found - exact) / np.linalg.norm(exact):.0e} of the exact solution.\n\n"
    )


def draw_work(studies: dict[str, dict[str, list[Point]]]) -> Figure:
    """Return the work-precision diagram: evaluations above, seconds below, one column a problem."""
    figure = Figure(figsize=(11, 9.2), layout="constrained")
    rows: Any = figure.subplots(2, len(studies), sharey="col")
    shown: dict[str, Any] = {}
    for column, (title, points) in enumerate(studies.items()):
        for name, measured in points.items():
            backend, solver = name.split()
            style = {"color": COLOURS[solver], "marker": "o" if backend == "jax" else "^", "markersize": 4}
            style |= {"linewidth": 1.2, "linestyle": "-" if backend == "jax" else "--"}
            errors = [point.error for point in measured]
            shown[name] = rows[0][column].loglog([point.evaluations for point in measured], errors, **style)[0]
            rows[1][column].loglog([point.seconds for point in measured], errors, **style)
        rows[0][column].set_title(title.replace(": ", ":\n"), fontsize=9, loc="left")
        rows[0][column].set_xlabel("evaluations of the vector field")
        rows[1][column].set_xlabel("wall time [s]")
        for axes in (rows[0][column], rows[1][column]):
            axes.set_ylabel("relative error of the states at the end" if column == 0 else "")
            axes.grid(alpha=0.2)
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=6, fontsize=8, frameon=False)
    return figure


def work_tables(studies: dict[str, dict[str, list[Point]]], notes: dict[str, str]) -> str:
    """Return one table a problem, solvers down and settings across."""
    page: list[str] = []
    for problem in (MILD, DEEP, PRECISE):
        page.append(f"\n## Work and precision, {problem.title}\n\n{notes[problem.title]}")
        for kind, settings in (("step size", problem.step_sizes), ("rtol = atol", problem.tolerances)):
            chosen = {
                name: runs
                for name, runs in studies[problem.title].items()
                if (name.split()[1] in CONSTANT) == (kind == "step size")
            }
            rows = [[name, *map(describe, runs)] for name, runs in chosen.items()]
            page.append(table([kind, *(f"{setting:.2g}" for setting in settings)], rows) + "\n")
    return "".join(page)


def describe(run: Point) -> str:
    rejected = f" ({run.rejected} rejected)" if run.rejected else ""
    return f"{run.error:.0e}; {run.evaluations:,} evaluations, {run.steps:,} steps{rejected}, {run.seconds:.2g} s"
