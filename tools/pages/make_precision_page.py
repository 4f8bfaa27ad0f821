#!/usr/bin/env python3
"""Measure what docs/precision.md tells: writes docs/precision-figures.md and the figures in docs/figures.

usage: python -m tools.pages.make_precision_page
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from flint import arb, ctx
from numpy.typing import NDArray
from pcsim_numpy.namespace import NumpyNamespace

import pcsim
from pcsim.model.activations import Activation, Gelu, LeakyRelu, Sigmoid, Tanh
from pcsim.report.comparison_plot import plot_comparison
from pcsim.report.plotting import plot
from pcsim.runs.comparison import Comparison
from tools.studies.pages import DOCS, measured, table

PRECISIONS = ["bfloat16", "float16", "float32", "float64", "exact"]
FORMS = ["standard", "increment"]
POINTS = 20000


def arrivals_and_errors(comparison: Comparison) -> str:
    labels = comparison.labels
    errors = [comparison.relative_error(i).max(axis=0) for i in range(len(labels))]
    names = list(comparison.traces[0].layer_names)
    steps = [
        [name, *("never" if t.arrival_steps[k] < 0 else str(t.arrival_steps[k]) for t in comparison.traces)]
        for k, name in enumerate(names)
    ]
    worst = [[name, *(f"{e[k]:.1e}" if e[k] else "0" for e in errors)] for k, name in enumerate(names)]
    return (
        "## Arrival steps, `pcsim compare signal-decay`\n\n"
        + table(["layer", *labels], steps)
        + "\n## Largest relative error of the energy over the 64 steps\n\n"
        + table(["layer", *labels], worst)
    )


def worst_error(activation: str, precision: str, step_size: float, form: str) -> str:
    """Return arrivals and the worst relative energy error of one run against exact arithmetic, in words."""
    scenario = pcsim.read_scenario(
        "signal-decay", [f"network.activation={activation}", f"inference.step_size={step_size}"]
    ).in_form("increment" if form == "increment" else "standard")
    with pcsim.run(scenario, precision=precision) as ours, pcsim.run(scenario, precision="exact") as exact:
        late = int(np.count_nonzero(ours.arrival_steps != exact.arrival_steps))
        with np.errstate(all="ignore"):
            error = np.nanmax(np.abs(ours.energy - exact.energy) / exact.energy)
    return f"{error:.1e}" + (f", {late} layers late or silent" if late else "")


def increment_runs() -> str:
    rows = [
        [activation, f"{step_size}", *(worst_error(activation, p, step_size, "increment") for p in PRECISIONS[:4])]
        for activation in ("tanh", "sigmoid", "relu", "gelu")
        for step_size in (0.03, 0.1, 0.3)
    ]
    return "\n## Increment form: worst relative error of any energy at any step against exact arithmetic\n\n" + table(
        ["activation", "λ", *PRECISIONS[:4]], rows
    )


def exact_increment(name: str, p: float, d: float) -> float:
    def value(at: arb) -> arb:
        if name == "tanh":
            return at.tanh()
        if name == "sigmoid":
            return 1 / (1 + (-at).exp())
        if name == "relu":
            return at if at > 0 else arb(0)
        return at * (-at / arb(2).sqrt()).erfc() / 2

    return float(value(arb(p) + arb(d)) - value(arb(p)))


def textbook(name: str, activation: Activation, p: NDArray[Any], d: NDArray[Any]) -> NDArray[Any]:
    """Return the obvious formula: for tanh the addition theorem, elsewhere the difference."""
    if name == "tanh":
        step = np.tanh(d)
        return step * (1 - np.tanh(p) * np.tanh(p + d))
    xp = NumpyNamespace()
    return activation.forward(xp, p + d)[0] - activation.forward(xp, p)[0]


def formulas() -> str:
    """Return the measured error of φ(p + d) − φ(p) in float32, for p and d over many decades."""
    ctx.prec = 700
    rng, xp = np.random.default_rng(0), NumpyNamespace()
    sign = rng.choice([-1.0, 1.0], (2, POINTS))
    p = (sign[0] * 10 ** rng.uniform(-6, 1.3, POINTS)).astype(np.float32)
    d = (sign[1] * 10 ** rng.uniform(-20, 1.3, POINTS)).astype(np.float32)
    rows: list[list[str]] = []
    activations = {"tanh": Tanh(), "sigmoid": Sigmoid(), "relu": LeakyRelu(), "gelu": Gelu()}
    for name, activation in activations.items():
        exact = np.array([exact_increment(name, float(a), float(b)) for a, b in zip(p, d, strict=True)])
        known = np.abs(exact) > 1e-30
        with np.errstate(all="ignore"):
            ours = activation.increment(xp, activation.anchor(xp, p), d)[0]
            plain = textbook(name, activation, p, d)
            errors = [np.abs(v[known] - exact[known]) / np.abs(exact[known]) for v in (ours, plain)]
        rows.append([name, *(f"{np.quantile(e, q):.0e}" for e in errors for q in (0.5, 0.99, 1.0))])
    header = ["φ", "ours: median", "99 %", "largest", "textbook: median", "99 %", "largest"]
    return (
        f"\n## Relative error of φ(p + d) − φ(p) in float32, {POINTS} points, |p| 1e-6 to 20, |d| 1e-20 to 20\n\n"
        + table(header, rows)
        + "\nTextbook is tanh d (1 − tanh p tanh(p + d)) for tanh and the plain difference elsewhere. Our largest "
        "errors are where φ' has a zero (GELU), or where one unit in the last place of p + d changes the result.\n"
    )


def main() -> int:
    page = [measured("pages/make_precision_page.py"), "\n"]
    figures = DOCS / "figures"
    scenario = pcsim.read_scenario("signal-decay")
    with pcsim.compare(scenario, precision=PRECISIONS, form=FORMS) as comparison:
        page.append(arrivals_and_errors(comparison))
        plot_comparison(comparison, figures / "precision-compare.png")
    page += [increment_runs(), formulas()]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("fixed-predictions", "continuous-limit"):
            with pcsim.run(pcsim.read_scenario(name), path=Path(folder) / f"{name}.h5") as trace:
                plot([trace], figures / f"{name}.png", theory=True, force=True)
    (DOCS / "precision-figures.md").write_text("# Precision: measured figures\n\n" + "".join(page))
    return 0


if __name__ == "__main__":
    sys.exit(main())
