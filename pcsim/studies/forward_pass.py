"""Size of the activities by layer at the feedforward pass, over depth (thesis, Fig. C.30)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcsim.scenario import Run, Scenario
from pcsim.studies.grid import Lines, draw_grid, grid_of
from pcsim.studies.parts import settle, trained_inputs, without_learning
from pcsim.studies.results import Measured, Results

DEPTHS = {"first": 0.0, "quarter": 0.25, "middle": 0.5, "three quarters": 0.75, "last": 1.0}
"""Hidden layers that are shown, by how far down the network they are."""


def compute(scenario: Scenario, runs: Sequence[Run]) -> Iterator[Results]:
    """Pass the batch forward in every run and take root mean squares of some layers' states."""
    found: list[NDArray[np.float64]] = []
    for each in runs:
        inputs = trained_inputs(each.scenario)
        alone = without_learning(each)
        still = alone.model_copy(update={"inference": alone.inference.model_copy(update={"steps": 0})})
        with settle(still, inputs) as trace:
            sizes = np.array([np.sqrt(np.mean(np.square(s.astype(np.float64)))) for s in trace.final_states[:-1]])
        found.append(sizes[[round(share * (len(sizes) - 1)) for share in DEPTHS.values()]])
        yield _together(runs[: len(found)], np.stack(found))


def _together(runs: Sequence[Run], sizes: NDArray[np.float64]) -> Results:
    names = {name: name.replace(" ", "_") for name in DEPTHS}
    return grid_of(runs) | {
        names[name]: Measured(
            sizes[:, i],
            ("run",),
            f"root mean square of the states of the {name} hidden layer",
            source="thesis, Fig. C.30",
        )
        for i, name in enumerate(DEPTHS)
    }


def draw(results: Results) -> Any:
    """Draw the sizes in the first, the middle and the last hidden layer over depth, a panel a variant."""
    return draw_grid(
        results,
        Lines("middle", "RMS activity, middle layer", log=True),
        Lines("last", "RMS activity, last hidden layer", log=True),
    )


def table(results: Results) -> list[dict[str, str]]:
    """Return the sizes in the deepest network of every variant."""
    depth, variant = results["depth"].values, results["variant"].values
    rows: list[dict[str, str]] = []
    for name in dict.fromkeys(variant):
        deepest = np.flatnonzero((variant == name) & (depth == depth[variant == name].max()))[-1]
        sizes = {word: f"{results[word.replace(' ', '_')].values[deepest]:.3g}" for word in DEPTHS}
        rows.append({"variant": str(name), "hidden layers": str(depth[deepest]), **sizes})
    return rows
