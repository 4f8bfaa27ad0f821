"""The loss over the energy at equilibrium of deep linear networks (thesis, Fig. 5.6)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pcsim.scenario import Run, Scenario
from pcsim.studies.exact import loss_and_energy
from pcsim.studies.grid import Lines, draw_grid, grid_of, unknowns_of, with_untrained
from pcsim.studies.parts import trained_inputs, without_learning
from pcsim.studies.results import Measured, Results


def compute(scenario: Scenario, runs: Sequence[Run]) -> Iterator[Results]:
    """Solve for the equilibrium of every run, of the weights it ends its training with where it trains."""
    found: list[tuple[float, float]] = []
    runs = with_untrained(runs)
    for each in runs:
        unknowns_of(each.scenario)
        inputs = trained_inputs(each.scenario)
        found.append(loss_and_energy(without_learning(each), inputs))
        losses, energies = np.array(found).T
        source = "thesis 4.5, C.25"
        yield grid_of(runs[: len(found)]) | {
            "loss": Measured(losses, ("run",), "loss at the feedforward pass, mean over the batch"),
            "energy": Measured(
                energies, ("run",), "energy at the exact equilibrium, mean over the batch", source=source
            ),
            "ratio": Measured(losses / energies, ("run",), "the loss over that energy", source="thesis, Fig. 5.6"),
        }


def draw(results: Results) -> Any:
    """Draw the ratio over width, depth or epochs."""
    return draw_grid(results, Lines("ratio", "loss / energy at equilibrium"))


def table(results: Results) -> list[dict[str, str]]:
    """Return the ratio of narrowest and widest network at every depth."""
    width, depth, epochs = (results[name].values for name in ("width", "depth", "epochs"))
    ratio = results["ratio"].values
    rows: list[dict[str, str]] = []
    for layers in np.unique(depth):
        row = {"hidden layers": str(layers)}
        for trained in np.unique(epochs):
            for size in sorted({int(width.min()), int(width.max())}):
                own = (depth == layers) & (width == size) & (epochs == trained)
                words = f"width {size}" + (f", {trained} epochs" if len(np.unique(epochs)) > 1 else "")
                row[words] = f"{np.median(ratio[own]):.4g}" if own.any() else "–"
        rows.append(row)
    return rows
