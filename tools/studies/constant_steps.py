"""Euler's method against Heun's with constant steps, and what it takes to come to rest."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

import pcsim
from pcsim.report.plotting import save
from tools.studies.pages import DOCS, table
from tools.studies.work_precision import COLOURS, Values, final_states

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
    save(figure, DOCS / "figures" / "solvers-euler-heun.png", force=True)
    found = table(["step size", *(f"{size:g}" for size in EULER_HEUN)], rows)
    return "\n## `solvers`: relative error of the states at t = 4\n\n" + found + rest_table()


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
    return "\n## `solvers`: coming to rest, stop = { grad_norm = 1e-4 }\n\n" + table(header, rows)


def come_to_rest(solver: str, changes: Sequence[str]) -> list[str]:
    rule = ["inference.stop={grad_norm=1e-4}", "inference.t_end=400.0", "inference.save_at=[400.0]"]
    with followed(solver, *rule, *changes) as first, followed(solver, *rule, *changes) as trace:
        facts, end = trace.attributes, trace.last_clock
        seconds = min(float(run.attributes["inference_seconds"]) for run in (first, trace))
        rest = f"{end:.1f}" if facts["converged"] else f"not by {end:g}"
        counts = [f"{int(facts[name]):,}" for name in ("steps_taken", "rejected_steps", "field_evaluations")]
        return [rest, *counts, f"{seconds:.2f} s", f"{float(trace.energy[-1].sum()):.6f}"]
