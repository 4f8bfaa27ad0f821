#!/usr/bin/env python3
"""Measure what docs/deep-local.md tells of residual networks: writes docs/deep-local-resnet-figures.md.

usage: PCSIM_DATA=FOLDER python -m tools.pages.make_deep_local_resnet_page

Needs pcsim[numba] and Fashion-MNIST; some two hours of processor time. Every run is kept in docs/runs, so that it can
be broken off; the page is written after each and says what is missing.
"""

import argparse
import sys
from dataclasses import dataclass
from typing import Any

from tools.studies.pages import DOCS, measured, table
from tools.studies.trials import Trial, accuracy, kept_outcome, outcome, spread

SEEDS = (0, 1, 2)
PLAIN, NORMS = "deep-local-resnet", "deep-local-resnet-norms"
ADAM = "learning.scale=none"
FAR = 1000.0
"""Losses from here on are no longer those of a network that learns."""
ERRORS = ("inference.method=error", "inference.steps=5")
LARGE, SMALL = "inference.step_size=0.001", "inference.step_size=0.0001"
BACKPROP = "inference.method=backprop"


@dataclass(frozen=True)
class Way:
    """A way to train: its name in tables, its scenario, and how it is told to that."""

    name: str
    scenario: str
    overrides: tuple[str, ...] = ()


WITHOUT_NORMS = (
    Way("backpropagation", PLAIN, (BACKPROP, ADAM)),
    Way("SO, increment form, per layer", PLAIN),
    Way("SO, increment form", PLAIN, (ADAM,)),
    Way("SO, standard form", PLAIN, ("inference.form=standard", ADAM)),
    Way("SO, standard form, per layer", PLAIN, ("inference.form=standard",)),
    Way("EO, λ = 0.001, T = 5", PLAIN, (*ERRORS, LARGE, ADAM)),
    Way("EO, λ = 0.0001, T = 5", PLAIN, (*ERRORS, SMALL, ADAM)),
)
WITH_NORMS = (
    Way("backpropagation", NORMS, (BACKPROP,)),
    Way("backpropagation, statistics held", NORMS, (BACKPROP, "network.statistics=held")),
    Way("EO, λ = 0.001, T = 5", NORMS, (*ERRORS, LARGE)),
    Way("EO, λ = 0.0001, T = 5", NORMS, (*ERRORS, SMALL)),
    Way("SO, standard form", NORMS),
)
HEADER = ["", "test accuracy", "seeds", "test loss", "layers without signal", "lowest ‖ΔW‖/‖W‖ of a layer"]


def row(way: Way) -> list[str]:
    """Return the line of a way to train, of as many seeds as there are."""
    trials = [Trial(way.scenario, way.overrides, seed) for seed in SEEDS]
    found = [run for trial in trials if (run := kept_outcome(trial)) is not None]
    if not found:
        return [way.name, "not measured", "–", "–", "–", "–"]
    return [way.name, accuracy(found), str(len(found)), losses(found), silent(found), f"{moved(found):.1e}"]


def losses(found: list[dict[str, Any]]) -> str:
    """Return the test loss after the last update; of runs that ran away, from the least to the largest."""
    if any(run["failure"] for run in found):
        return "–"
    values = [run["test_loss"][-1] for run in found]
    return spread(values, 3) if max(values) < FAR else f"{min(values):.0e} to {max(values):.0e}"


def silent(found: list[dict[str, Any]]) -> str:
    """Return the most layers that had no signal in any run."""
    return str(max(len(run["silent"].split()) for run in found))


def moved(found: list[dict[str, Any]]) -> float:
    """Return how far the weights moved that moved least in any run."""
    return min(value for run in found for value in run["moved"])


def write() -> None:
    """Write the page of what there is."""
    page = (
        "# Residual networks by local rules: measured figures\n\n"
        + measured("pages/make_deep_local_resnet_page.py")
        + "\nResNet-18 an eighth as wide (18 layers, 176,000 parameters) on Fashion-MNIST after 300 updates of 64 "
        "samples: test accuracy in per cent and loss (cross-entropy), mean ± standard deviation over seeds; Adam 1e-3, "
        "float32. SO takes 18 steps at λ = 0.1. How far weights moved is over all updates.\n\n"
        f"## Without norms\n\n{table(HEADER, [row(way) for way in WITHOUT_NORMS])}\n"
        f"## With batch normalisation, live statistics\n\n{table(HEADER, [row(way) for way in WITH_NORMS])}"
    )
    (DOCS / "deep-local-resnet-figures.md").write_text(page, encoding="utf-8")


def main() -> int:
    argparse.ArgumentParser(description="Measure what docs/deep-local.md tells of residual networks.").parse_args()
    write()
    for seed in SEEDS:
        for way in (*WITHOUT_NORMS, *WITH_NORMS):
            outcome(Trial(way.scenario, way.overrides, seed))
            write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
