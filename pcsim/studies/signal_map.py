"""Energies of state optimization beside those of eq. 4, as heat maps with one colour scale (EO paper, Fig. B.1)."""

from collections.abc import Iterator, Sequence

import numpy as np

from pcsim.errors import UsageError
from pcsim.runs.experiment import run_experiment
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.energy_maps import draw
from pcsim.studies.parts import require_recorded
from pcsim.studies.results import Measured, Results
from pcsim.theory.overlay import theory_of

__all__ = ["compute", "draw", "require", "table"]
SHOWN = 5
"""Layers in the table."""


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless there is one run, of state optimization, that records energies."""
    if len(runs) > 1:
        raise UsageError(f"{scenario.where('sweep')}: the study signal-map is of one run; remove [sweep]")
    if scenario.inference.method != "state":
        raise UsageError(
            f'{scenario.where("inference.method")}: eq. 4 is of state optimization; use method = "state" for the study '
            "signal-map"
        )
    require_recorded(scenario, runs, "energy")


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Run the scenario once and set the energies of eq. 4 beside it."""
    with run_experiment(attempts.runs[0].scenario) as trace:
        steps, energy, arrival = np.asarray(trace.steps, dtype=np.float64), trace.energy, trace.arrival_steps
        theory = theory_of(trace).energy
    # The output's own energy is the loss, of which eq. 4 says nothing.
    first = [steps[np.flatnonzero(column > 0)[0]] if (column > 0).any() else np.nan for column in theory.T]
    names = np.array([f"simulated in {scenario.backend.precision_name}", "eq. 4"])
    source = "EO paper, eq. 4 (the second one)"
    yield {
        "run": Measured(names, ("run",), "the simulation, and the closed form"),
        "step": Measured(np.stack([steps, steps]), ("run", "row"), "recorded step", trace.clock),
        "energy": Measured(np.stack([energy, theory]), ("run", "row", "layer"), "layerwise energy", source=source),
        "arrival_step": Measured(
            np.array([arrival, first], dtype=np.float64), ("run", "layer"), "first step with an error, -1 if never"
        ),
    }


def table(results: Results) -> list[dict[str, str]]:
    """Return when a signal arrives at some layers and their energy at the end, simulated and by eq. 4."""
    arrival, energy = results["arrival_step"].values, results["energy"].values
    hidden = arrival.shape[1] - 1
    chosen = sorted({round(i) for i in np.linspace(0, hidden - 1, SHOWN)})
    return [
        {
            "layer": f"layer {i}",
            "arrives at step": f"{arrival[0, i]:.0f}" if arrival[0, i] >= 0 else "never",
            "by eq. 4": f"{arrival[1, i]:.0f}" if np.isfinite(arrival[1, i]) else "never",
            "energy at the end": f"{energy[0, -1, i]:.3g}",
            "energy by eq. 4": f"{energy[1, -1, i]:.3g}",
        }
        for i in chosen
    ]
