#!/usr/bin/env python3
"""Measure what docs/results.md tells: writes docs/results-figures.md and docs/figures/mupc-transfer.png.

usage: PCSIM_DATA=FOLDER python -m tools.pages.make_results_page [--kept FOLDER]

Needs pcsim[jax], MNIST and Fashion-MNIST; some hours on two cores. Every run is kept in FOLDER, so that it can be
broken off.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pcsim.report.plotting import save
from tools.studies.pages import DOCS, measured, table
from tools.studies.trials import accuracy, outcomes

FIVE, THREE, ONE = range(5), range(3), range(1)
SHALLOW = {"bp": FIVE, "eo": FIVE, "so": FIVE}
DEEP = {"bp": THREE, "eo": ONE}
FASHION = {"bp": ONE, "eo": ONE, "so": ONE}
"""Seeds of every method: the longest runs have the fewest."""
METHODS = {"bp": "backpropagation", "eo": "error optimization", "so": "state optimization"}
LOSSES = {"mse": "squared error", "ce": "cross-entropy"}
LONG = ("inference.steps=64", "inference.step_size=0.02", "learning.epochs=10")
RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
SHORT = 50
"""Updates after which learning rates are compared."""
DEPTHS = (8, 32)


def by_method(family: str, seeds: Mapping[str, Sequence[int]], kept: Path) -> str:
    """Return a table of a family of scenarios: accuracies over the seeds of each method, the lowest cosine."""
    rows: list[list[str]] = []
    for method in seeds:
        cells: list[str] = []
        for loss in LOSSES:
            found = outcomes(f"{family}-{method}-{loss}", (), seeds[method], kept)
            cells += [f"{accuracy(found)} ({len(found)})", cosine(found)]
        rows.append([METHODS[method], *cells])
    header = [""]
    for name in LOSSES.values():
        header += [f"{name}: test accuracy, % (seeds)", "lowest cosine to backpropagation"]
    return table(header, rows)


def cosine(found: Sequence[dict[str, Any]]) -> str:
    """Return the smallest cosine of a layer's update to backpropagation's, over epochs and seeds, in words."""
    measured = [np.array(run["cosine"], dtype=float) for run in found if "cosine" in run]
    if not measured:
        return "–"
    lowest = min(float(np.nanmin(cosines)) for cosines in measured)
    return f"{lowest:.4f}"


def long_inference(kept: Path) -> str:
    """Return a table of error optimization with λT above 1."""
    rows = [
        [name, accuracy(found), cosine(found)]
        for name, found in (
            ("error optimization, λT = 0.004", outcomes("train-mnist-eo-ce", LONG[2:], FIVE, kept)),
            ("error optimization, λT = 1.28", outcomes("train-mnist-eo-ce", LONG, FIVE, kept)),
            ("backpropagation", outcomes("train-mnist-bp-ce", LONG[2:], FIVE, kept)),
        )
    ]
    return table(["cross-entropy, 10 epochs", "test accuracy, %", "lowest cosine to backpropagation"], rows)


def transfer(kept: Path) -> tuple[str, Figure]:
    """Return a table and a figure of losses after few updates by learning rate, in two depths."""
    figure = Figure(figsize=(5.5, 4.2), layout="constrained")
    axes = figure.subplots()
    rows: list[list[str]] = []
    for depth in DEPTHS:
        losses = [shallow_loss(depth, rate, kept) for rate in RATES]
        axes.loglog(RATES, losses, marker="o", label=f"{depth} hidden layers")
        rows.append([f"{depth} hidden layers", *(f"{loss:.3f}" for loss in losses)])
    axes.set_xlabel("learning rate of Adam")
    axes.set_ylabel(f"training loss, updates {SHORT - 9} to {SHORT}")
    axes.legend()
    axes.grid(alpha=0.2, which="both")
    return table(["learning rate", *map(str, RATES)], rows), figure


def shallow_loss(depth: int, rate: float, kept: Path) -> float:
    """Return the mean loss of the last of a few updates, NaN where training diverged."""
    found = outcomes("mupc-128", [*deep(depth), f"learning.lr={rate}", f"data.samples={64 * SHORT}"], ONE, kept)[0]
    return float("nan") if found["failure"] else float(np.mean(found["loss"][-10:]))


def whole_epoch(kept: Path) -> str:
    """Return a table of an epoch of µPC networks, with the step sizes that were tuned in the shallow one."""
    rows: list[list[str]] = []
    for depth in DEPTHS:
        found = outcomes("mupc-128", deep(depth), ONE, kept)
        losses = found[0]["loss"]
        rows.append([f"{depth} hidden layers", accuracy(found), f"{losses[0]:.3f}", f"{np.mean(losses[-50:]):.4f}"])
    found = outcomes("mupc-128", ["data.samples=1920"], ONE, kept)
    losses = found[0]["loss"]
    rows.append(["128 hidden layers, 30 updates", accuracy(found), f"{losses[0]:.3f}", f"{np.mean(losses[-5:]):.4f}"])
    return table(["", "test accuracy, %", "loss of the first update", "mean loss of the last updates"], rows)


def deep(depth: int) -> list[str]:
    """Return what it takes to have so many hidden layers, and as many steps of inference."""
    return [f"network.hidden.layers={depth}", f"inference.steps={depth}"]


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what docs/results.md tells.")
    parser.add_argument("--kept", type=Path, default=Path("kept-runs"), help="folder that keeps finished runs")
    kept: Path = parser.parse_args().kept
    kept.mkdir(parents=True, exist_ok=True)
    rates, figure = transfer(kept)
    save(figure, DOCS / "figures" / "mupc-transfer.png", force=True)
    page = (
        "# Training results: measured figures\n\n"
        + measured("pages/make_results_page.py")
        + "\nTest accuracy after the last epoch in per cent, mean ± standard deviation over seeds.\n"
        + f"\n## MNIST, 4 layers, 25 epochs\n\n{by_method('train-mnist', SHALLOW, kept)}"
        + f"\n## Error optimization that is not backpropagation in disguise\n\n{long_inference(kept)}"
        + f"\n## MNIST, 20 layers, 14 epochs\n\n{by_method('train-deep-mnist', DEEP, kept)}"
        + f"\n## Fashion-MNIST, 4 layers, 25 epochs\n\n{by_method('train-fashion', FASHION, kept)}"
        + f"\n## µPC: loss after {SHORT} updates by learning rate\n\n{rates}"
        + f"\n## µPC: an epoch with the step sizes tuned at 8 hidden layers\n\n{whole_epoch(kept)}"
    )
    (DOCS / "results-figures.md").write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
