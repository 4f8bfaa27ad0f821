#!/usr/bin/env python3
"""Measure what docs/solvers.md tells: writes docs/solvers-figures.md and the figures docs/figures/solvers-*.png.

usage: python tools/make_solvers_page.py        (some minutes; needs pcsim[jax])
"""

import datetime
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import pcsim
from pcsim.experiment import prepare
from pcsim.linear import linear_system
from pcsim.plotting import save
from pcsim.provenance import describe_machine
from pcsim.scenario import Scenario, parse_scenario
from pcsim.theory.signal import log_poisson_profile

DOCS = Path(__file__).parents[1] / "docs"
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


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


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
            page.append(markdown([kind, *(f"{setting:.2g}" for setting in settings)], rows) + "\n")
    return "".join(page)


def describe(run: Point) -> str:
    rejected = f" ({run.rejected} rejected)" if run.rejected else ""
    return f"{run.error:.0e}; {run.evaluations:,} evaluations, {run.steps:,} steps{rejected}, {run.seconds:.2g} s"


TIMES = (0.4, 0.8, 1.6, 3.2, 6.4)
STEP_SIZES = (0.2, 0.1, 0.05, 0.025, 0.0125)
SEEN = (0, 4, 8, 12, 16, 18)
"""Layers that the tables show."""
LONG = 1000.0


def flow(times: Sequence[float], *changes: str, backend: str = "jax") -> Values:
    """Return the energies of the scenario gradient-flow at these times, with some keys changed."""
    scenario = pcsim.read_scenario("gradient-flow", [f"inference.save_at={list(times)}", *changes], backend=backend)
    with pcsim.run(scenario) as trace:
        return trace.energy


def descent(step_size: float, t_end: float) -> Values:
    """Return the energies of SO in the increment form, one row a step."""
    steps = round(t_end / step_size)
    changes = ["inference.form=increment", "backend.precision=float64", f"inference.step_size={step_size}"]
    with pcsim.run(pcsim.read_scenario("signal-decay", [*changes, f"inference.steps={steps}"])) as trace:
        return trace.energy


def decay_tables(reference: Values, runs: dict[float, Values]) -> str:
    """Return the flow beside Poisson's profile, and SO beside the flow at equal λt."""
    distance = np.arange(reference.shape[1] - 1, -1, -1)
    poisson = np.exp(2 * log_poisson_profile(np.array(TIMES)[:, None], distance))
    scale = output_energy()
    rows = [
        [name_of(k), *(f"{reference[t, k]:.1e} ({scale * poisson[t, k]:.0e})" for t in range(len(TIMES)))]
        for k in range(reference.shape[1] - 1)
    ]
    page = (
        "\n## Gradient flow: energy by layer, and in brackets Poisson's profile\n\n"
        + markdown(["layer", *(f"τ = {t:g}" for t in TIMES)], rows)
        + "\n## SO at equal λt: its error divided by the flow's\n\nRoots of the ratio of energies; 0 is exact. "
        + arrival(runs[0.1])
    )
    for t, time in enumerate(TIMES):
        if time in (0.4, 1.6, 6.4):
            ratios = {size: np.sqrt(energy[round(time / size)] / reference[t]) for size, energy in runs.items()}
            rows = [[name_of(k), *(f"{ratios[size][k]:.2g}" for size in runs)] for k in SEEN]
            page += markdown([f"τ = {time:g}", *(f"λ = {size:g}" for size in runs)], rows) + "\n"
    return page


def arrival(energy: Values) -> str:
    """Return what SO at λ = 0.1 and the flow have in layer 0 when SO arrives there, in words."""
    step = int(np.argmax(energy[:, 0] > 0))
    ours, flowing = energy[step, 0], flow([0.1 * step], f"inference.t_end={0.1 * step}")[0, 0]
    return (
        f"SO at λ = 0.1 reaches layer 0 at step {step} (λt = {0.1 * step:g}) with an energy of {ours:.1e}; the flow's "
        f"is {flowing:.1e} there, its error {np.sqrt(flowing / ours):.1e} times as large.\n\n"
    )


def name_of(layer: int) -> str:
    return f"layer {layer}"


def output_energy() -> float:
    """Return ½‖∂ℓ/∂ŷ‖² at the start, as the gradient norm of the output has it."""
    with pcsim.run(pcsim.read_scenario("signal-decay", ["inference.steps=0", "backend.precision=float64"])) as trace:
        assert trace.grad_norm is not None
        return 0.5 * float(trace.grad_norm[0, -1]) ** 2


def front_table(reference: Values) -> str:
    """Return how many layers are wrong in either form, with usual tolerances and with the scenario's."""
    standard, default = "inference.form=standard", "inference.atol=1e-9"
    single = ["backend.precision=float32", "inference.rtol=1e-5"]
    cases: list[tuple[str, str, list[str]]] = [
        ("increment, dopri8, atol 1e-60", "jax", []),
        ("increment, dopri8, atol 1e-9", "jax", [default]),
        ("increment, tsit5, atol 1e-9", "jax", [default, "inference.solver=tsit5"]),
        ("increment, kvaerno5, atol 1e-9", "jax", [default, "inference.solver=kvaerno5"]),
        ("increment, dopri8, atol 1e-60", "numpy", []),
        ("increment, dopri8, atol 1e-9", "numpy", [default]),
        ("increment, lsoda, atol 1e-9", "numpy", [default, "inference.solver=lsoda"]),
        ("standard, dopri8, atol 1e-9", "jax", [standard, default]),
        ("standard, dopri8, atol 1e-60", "jax", [standard]),
        ("standard, dopri8, atol 1e-9", "numpy", [standard, default]),
        (
            "standard, float32, tsit5, rtol 1e-5, atol 1e-9",
            "jax",
            [standard, default, *single, "inference.solver=tsit5"],
        ),
        ("increment, float32, tsit5, rtol 1e-5, atol 1e-9", "jax", [default, *single, "inference.solver=tsit5"]),
    ]
    rows: list[list[str]] = []
    for name, backend, changes in cases:
        energy = flow(TIMES, *changes, backend=backend)
        wrong = [np.abs(energy[t] - reference[t]) > 0.01 * reference[t] for t in range(len(TIMES))]
        silent = [int(np.count_nonzero(energy[t] == 0)) for t in range(len(TIMES))]
        rows.append([backend, name, *(f"{np.count_nonzero(w)} ({s})" for w, s in zip(wrong, silent, strict=True))])
    return (
        "\n## What hides the front\n\nHow many of the 20 energies are off by more than 1 %, and in brackets how "
        "many are exactly zero. rtol = 1e-6 and float64 unless said.\n\n"
        + markdown(["backend", "form and tolerances", *(f"τ = {t:g}" for t in TIMES)], rows)
    )


def long_table(times: Values, energy: Values) -> str:
    """Return when each layer has a share of the error that it has at rest."""
    size = np.sqrt(energy)
    arrived = {share: [times[np.argmax(size[:, k] >= share * size[-1, k])] for k in SEEN] for share in (0.01, 0.1, 0.5)}
    rows = [
        [name_of(k), f"{energy[-1, k]:.1e}", *(f"{arrived[share][j]:.1f}" for share in arrived)]
        for j, k in enumerate(SEEN)
    ]
    return (
        f"\n## Gradient flow: time at which a layer's error first has a share of that at t = {LONG:g}\n\n"
        + markdown(["layer", f"energy at t = {LONG:g}", *(f"{share:.0%} of the error" for share in arrived)], rows)
    )


def draw_decay(reference: Values, runs: dict[float, Values], times: Values, energy: Values) -> Figure:
    """Return profiles over the layers at three times, and energies over a long time."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    profile, long = figure.subplots(1, 2)
    layers = np.arange(reference.shape[1] - 1)
    poisson = log_poisson_profile(np.array(TIMES)[:, None], layers[::-1] + 1)
    for colour, time in zip(("tab:purple", "tab:green", "tab:orange"), (0.4, 1.6, 6.4), strict=True):
        t = TIMES.index(time)
        profile.semilogy(layers, reference[t, :-1], color=colour, linewidth=1.6, label=f"flow, λt = {time:g}")
        profile.semilogy(layers, output_energy() * np.exp(2 * poisson[t]), color=colour, linewidth=0.9, linestyle=":")
        for size, marker in ((0.1, "o"), (0.0125, "x")):
            row = runs[size][round(time / size), :-1]
            profile.semilogy(layers, np.where(row > 0, row, np.nan), color=colour, marker=marker, ls="", ms=4.5)
    for marker, style, text in (("o", "", "SO, λ = 0.1"), ("x", "", "SO, λ = 0.0125"), ("", ":", "Poisson's profile")):
        profile.plot([], [], color="black", marker=marker, linestyle=style, markersize=4.5, label=text)
    profile.set_xlabel("layer (input to output)")
    profile.set_ylabel("energy")
    profile.set_xticks(range(0, 19, 3))
    profile.legend(fontsize=8, loc="lower right")
    steps = 0.1 * np.arange(1, round(100 / 0.1) + 1)
    long_so = descent(0.1, 100.0)[1:]
    for k, colour in zip(SEEN, ("#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#d0b010"), strict=True):
        long.loglog(times, energy[:, k], color=colour, linewidth=1.4, label=name_of(k))
        long.loglog(
            steps, np.where(long_so[:, k] > 0, long_so[:, k], np.nan), color=colour, linestyle="--", linewidth=1
        )
    long.plot([], [], color="black", linewidth=1.4, label="flow")
    long.plot([], [], color="black", linewidth=1, linestyle="--", label="SO, λ = 0.1")
    long.set_xlim(0.1, 100)
    long.set_ylim(1e-45, 10)
    long.set_xlabel("time, or λ times steps")
    long.set_ylabel("energy")
    long.legend(fontsize=8, loc="lower right")
    for axes in (profile, long):
        axes.grid(alpha=0.2)
    return figure


def decay() -> str:
    """Measure the flow against SO, draw it, and return its tables."""
    reference = flow(TIMES, "inference.rtol=1e-10")
    runs = {size: descent(size, 6.4) for size in STEP_SIZES}
    times = np.geomspace(0.1, LONG, 200)
    long = flow(times.tolist(), f"inference.t_end={LONG}", "inference.rtol=1e-4")
    save(draw_decay(reference, runs, times, long), DOCS / "figures" / "solvers-gradient-flow.png")
    return decay_tables(reference, runs) + front_table(reference) + long_table(times, long)


EULER_HEUN = (0.5, 0.25, 0.125, 0.0625)
TIGHT = ("inference.rtol=1e-10", "inference.atol=1e-10")


def followed(solver: str, *changes: str) -> pcsim.Trace:
    return pcsim.run(pcsim.read_scenario("solvers", [f"inference.solver={solver}", *changes]))


def euler_against_heun() -> str:
    """Measure the scenario solvers with both, draw it, and return its tables."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    over_time, over_work = figure.subplots(1, 2)
    rows: list[list[str]] = []
    for solver, colour, below in (("euler", COLOURS["euler"], 4), ("heun", "tab:blue", -12)):
        for size, style in ((0.5, ":"), (0.25, "-"), (0.125, "--")):
            times, gap = distance_to_flow(solver, size)
            over_time.semilogy(times, gap, color=colour, linestyle=style, label=f"{solver}, step {size:g}")
        errors, evaluations = convergence(solver)
        rows.append([solver, *(f"{e:.1e}, {n} evaluations" for e, n in zip(errors, evaluations, strict=True))])
        over_work.loglog(evaluations, errors, color=colour, marker="o", markersize=4, label=solver)
        for x, y, size in zip(evaluations, errors, EULER_HEUN, strict=True):
            offset = (5 if below > 0 else -48, below)
            over_work.annotate(f"step {size:g}", (x, y), xytext=offset, textcoords="offset points", fontsize=7)
    over_time.set_xlabel("time")
    over_time.set_ylabel("energy: relative distance to the flow")
    over_work.set_xlabel("evaluations of the vector field up to t = 4")
    over_work.set_ylabel("relative error of the states at t = 4")
    over_work.margins(x=0.2, y=0.1)
    for axes in (over_time, over_work):
        axes.legend(fontsize=8, loc="upper right")
        axes.grid(alpha=0.2, which="both")
    save(figure, DOCS / "figures" / "solvers-euler-heun.png")
    table = markdown(["step size", *(f"{size:g}" for size in EULER_HEUN)], rows)
    return "\n## `solvers`: relative error of the states at t = 4\n\n" + table + rest_table()


def distance_to_flow(solver: str, size: float) -> tuple[Values, Values]:
    """Return times and the relative distance of the energy with constant steps from that of the flow."""
    times = np.arange(0.0, 25.0 + size / 2, size)
    saved = f"inference.save_at={times.tolist()}"
    with followed(solver, f"inference.step_size={size}", saved) as run, followed("dopri8", saved, *TIGHT) as best:
        return times[1:], np.abs(run.energy.sum(axis=1) / best.energy.sum(axis=1) - 1)[1:]


def convergence(solver: str) -> tuple[list[float], list[int]]:
    """Return errors of the states at t = 4 and evaluations, one a step size."""
    short = ["inference.t_end=4.0", "inference.save_at=[4.0]"]
    with followed("dopri8", *short, *TIGHT) as trace:
        exact = final_states(trace)
    errors: list[float] = []
    evaluations: list[int] = []
    for size in EULER_HEUN:
        with followed(solver, *short, f"inference.step_size={size}") as trace:
            errors.append(float(np.linalg.norm(final_states(trace) - exact) / np.linalg.norm(exact)))
            evaluations.append(int(trace.attributes["field_evaluations"]))
    return errors, evaluations


def rest_table() -> str:
    """Return what it takes to come to rest."""
    cases = [(s, f"steps of {h}", [f"inference.step_size={h}"]) for h in (0.1, 0.25, 0.4) for s in ("euler", "heun")]
    for tolerance in ("1e-3", "1e-6"):
        changes = [f"inference.rtol={tolerance}", f"inference.atol={tolerance}"]
        adaptive = ("heun", "bosh3", "tsit5", "dopri8", "kvaerno3", "kvaerno5")
        cases += [(solver, f"rtol = atol = {tolerance}", changes) for solver in adaptive]
    rows = [[f"{solver}, {how}", *come_to_rest(solver, changes)] for solver, how, changes in cases]
    header = ["solver", "at rest at time", "steps", "rejected", "evaluations", "seconds, batch of 64", "energy there"]
    return "\n## `solvers`: coming to rest, stop = { grad_norm = 1e-4 }\n\n" + markdown(header, rows)


def come_to_rest(solver: str, changes: Sequence[str]) -> list[str]:
    rule = ["inference.stop={grad_norm=1e-4}", "inference.t_end=400.0", "inference.save_at=[400.0]"]
    with followed(solver, *rule, *changes) as first, followed(solver, *rule, *changes) as trace:
        facts, end = trace.attributes, trace.last_clock
        seconds = min(float(run.attributes["inference_seconds"]) for run in (first, trace))
        rest = f"{end:.1f}" if facts["converged"] else f"not by {end:g}"
        counts = [f"{int(facts[name]):,}" for name in ("steps_taken", "rejected_steps", "field_evaluations")]
        return [rest, *counts, f"{seconds:.2f} s", f"{float(trace.energy[-1].sum()):.6f}"]


def main() -> int:
    machine = describe_machine(("jax", "jaxlib", "diffrax"))
    studies: dict[str, dict[str, list[Point]]] = {}
    notes: dict[str, str] = {}
    for problem in (MILD, DEEP, PRECISE):
        studies[problem.title], notes[problem.title] = work_and_precision(problem)
    save(draw_work(studies), DOCS / "figures" / "solvers-work-precision.png")
    page = (
        "# Solvers: measured figures\n\n"
        f"Measured {datetime.date.today().isoformat()} by `tools/make_solvers_page.py` on {machine['processor']}, "
        f"threads {machine['threads']}, {machine['versions']}.\n"
        + work_tables(studies, notes)
        + euler_against_heun()
        + decay()
    )
    (DOCS / "solvers-figures.md").write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
