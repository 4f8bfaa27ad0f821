#!/usr/bin/env python3
"""Measure what docs/deep-local.md tells: writes docs/deep-local-figures.md and docs/figures/deep-local.png.

usage: PCSIM_DATA=FOLDER python -m tools.pages.make_deep_local_page

Needs pcsim[jax] and MNIST; about an hour on two cores. Every run is kept in docs/runs, so that it can be broken off.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pcsim.report.plotting import save
from tools.studies.pages import DOCS, measured, table
from tools.studies.trials import accuracy, outcomes

SCENARIO = "deep-local-mnist"
SEEDS = (0, 1, 2)
PLAIN = "learning.scale=none"


@dataclass(frozen=True)
class Way:
    """A way to train: its name in tables, its colour, and how it is told to the scenario."""

    name: str
    colour: str
    overrides: tuple[str, ...]


STANDARD = Way("SO, standard form", "tab:red", ("inference.form=standard", PLAIN))
INCREMENT = Way("SO, increment form", "tab:orange", (PLAIN,))
LOCAL = Way("SO, increment form, per layer", "tab:green", ())
LONG_ERRORS = Way("EO, λ = 0.1, T = 20, per layer", "tab:cyan", ("inference.method=error",))
ERRORS = Way(
    "EO, λ = 0.001, T = 4, per layer",
    "tab:blue",
    ("inference.method=error", "inference.steps=4", "inference.step_size=0.001"),
)
BACKPROP = Way("backpropagation", "black", ("inference.method=backprop", PLAIN))
DEEPEST = {INCREMENT.name: 20, LONG_ERRORS.name: 20, ERRORS.name: 20}
"""Layers up to which a way is measured, where that is not everywhere."""


@dataclass(frozen=True)
class Depth:
    """A network and how long its inference is."""

    layers: int
    steps: int
    step_size: float
    seeds: tuple[int, ...] = SEEDS

    def overrides(self, way: Way) -> list[str]:
        """Return what it takes to train this network in a way."""
        if self.layers == 20:
            return list(way.overrides)
        inference = [f"inference.steps={self.steps}", f"inference.step_size={self.step_size}"]
        words = [f"network.hidden.layers={self.layers - 1}", *([] if way is BACKPROP else inference)]
        return [*words, *way.overrides]


DEPTHS = (Depth(20, 20, 0.1), Depth(40, 40, 0.3), Depth(64, 64, 0.3, (0,)))
GAIN = "network.gain=1.4142135623730951"
ACTIVATIONS = {
    "tanh": (),
    "GELU": ("network.activation=gelu", GAIN),
    "ReLU": ("network.activation=relu", GAIN),
}
LONG = "learning.epochs=14"


def by_depth() -> tuple[str, dict[str, list[tuple[int, list[float]]]]]:
    """Return a table of accuracies by depth, and them for the figure."""
    drawn: dict[str, list[tuple[int, list[float]]]] = {}
    rows: list[list[str]] = []
    for way in (STANDARD, INCREMENT, LOCAL, LONG_ERRORS, ERRORS, BACKPROP):
        cells: list[str] = []
        for depth in DEPTHS:
            if depth.layers > DEEPEST.get(way.name, 64):
                cells.append("–")
                continue
            found = outcomes(SCENARIO, depth.overrides(way), depth.seeds)
            cells.append(f"{accuracy(found)}{silent(found)}")
            drawn.setdefault(way.name, []).append((depth.layers, accuracies(found)))
        rows.append([way.name, *cells])
    header = ["", *(f"{d.layers} layers (T = {d.steps}, λ = {d.step_size}; seeds: {len(d.seeds)})" for d in DEPTHS)]
    return table(header, rows), drawn


def by_activation() -> str:
    """Return a table of accuracies by activation at 20 layers."""
    rows = [
        [way.name, *(accuracy(outcomes(SCENARIO, [*how, *way.overrides], SEEDS)) for how in ACTIVATIONS.values())]
        for way in (STANDARD, LOCAL, BACKPROP)
    ]
    return table(["20 layers", *ACTIVATIONS], rows)


def by_precision() -> str:
    """Return a table of accuracies by precision at 20 layers."""
    rows = [
        [
            way.name,
            accuracy(outcomes(SCENARIO, way.overrides, SEEDS[:1])),
            accuracy(outcomes(SCENARIO, ["backend.precision=bfloat16", *way.overrides], SEEDS[:1])),
        ]
        for way in (STANDARD, LOCAL, BACKPROP)
    ]
    return table(["20 layers", "float32", "bfloat16"], rows)


def over_epochs() -> tuple[str, dict[str, list[float]]]:
    """Return a table of accuracies over a full training run, and the curves."""
    curves: dict[str, list[float]] = {}
    for way in (LOCAL, BACKPROP):
        found = outcomes(SCENARIO, [LONG, *way.overrides], SEEDS[:1])[0]
        curves[way.name] = [100 * value for value in found["test_accuracy"]]
    epochs = (1, 2, 5, 10, 14)
    rows = [[name, *(f"{curve[e - 1]:.2f}" for e in epochs)] for name, curve in curves.items()]
    return table(["20 layers, after epoch", *map(str, epochs)], rows), curves


def accuracies(found: Sequence[dict[str, Any]]) -> list[float]:
    """Return the last test accuracies in per cent."""
    return [100 * run["test_accuracy"][-1] for run in found]


def silent(found: Sequence[dict[str, Any]]) -> str:
    """Return how many layers had no signal in the last epoch of any run, in words."""
    most = max(len(run["silent"].split()) for run in found)
    return f" ({most} layers without signal)" if most else ""


def draw(depths: dict[str, list[tuple[int, list[float]]]], curves: dict[str, list[float]]) -> Figure:
    """Draw accuracies over depth after one epoch, and over epochs at 20 layers."""
    colours = {way.name: way.colour for way in (STANDARD, INCREMENT, LOCAL, LONG_ERRORS, ERRORS, BACKPROP)}
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, points in depths.items():
        layers = [number for number, _ in points]
        means = [np.mean(values) for _, values in points]
        spreads = [np.std(values, ddof=1) if len(values) > 1 else 0.0 for _, values in points]
        left.errorbar(layers, means, spreads, color=colours[name], marker="o", capsize=3, label=name)
    left.set_xlabel("layers")
    left.set_xticks([depth.layers for depth in DEPTHS])
    left.set_title("after one epoch (937 updates), mean ± standard deviation of 3 seeds (64 layers: 1)", fontsize=9)
    for name, curve in curves.items():
        right.plot(range(1, len(curve) + 1), curve, color=colours[name], marker=".", label=name)
    right.set_xlabel("epoch")
    right.set_title("20 layers, one seed", fontsize=9)
    for axes in (left, right):
        axes.set_ylabel("test accuracy (%)")
        axes.legend(fontsize=8)
        axes.grid(alpha=0.2)
    return figure


def main() -> int:
    argparse.ArgumentParser(description="Measure what docs/deep-local.md tells.").parse_args()
    depths, drawn = by_depth()
    epochs, curves = over_epochs()
    save(draw(drawn, curves), DOCS / "figures" / "deep-local.png", force=True)
    page = (
        "# Deep networks by local rules: measured figures\n\n"
        + measured("pages/make_deep_local_page.py")
        + "\nTest accuracy on MNIST in per cent, mean ± standard deviation of 3 seeds (64 layers, precision, full run: "
        "one seed); width 128, orthogonal weights, cross-entropy, batch 64, Adam 1e-4, one epoch (937 updates), "
        "float32 and tanh where nothing else is said.\n\n"
        f"## Depth\n\n{depths}\n## Activations\n\n{by_activation()}\n## Precision\n\n{by_precision()}\n"
        f"## A full training run (14 epochs, one seed)\n\n{epochs}"
    )
    (DOCS / "deep-local-figures.md").write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
