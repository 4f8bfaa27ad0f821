"""How far updates move every weight matrix, on average over much of training (Alonso et al. 2024, Figs. 2, 9)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pcsim.errors import UsageError
from pcsim.figures.axes import as_text, new_figure
from pcsim.learning.diagnosis import Diagnosis, weight_names
from pcsim.learning.pixels import Samples
from pcsim.learning.trainer import Outcome, Snapshot, Trainer, Updates
from pcsim.runs.simulation import prepare
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.parts import OKABE_ITO, deviation
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results, padded
from pcsim.studies.rows import Measures
from pcsim.studies.trained import train_with
from pcsim.typing import NDArray

WARM = 0.1
"""Share of all updates before what is averaged: adaptive rates settle first."""


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless runs train."""
    if any(each.scenario.learning is None for each in runs):
        raise UsageError(f"{scenario.where('study')}: the study update-sizes needs runs that train; add [learning]")


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Train in every run, one update at a time."""
    for runs, found in attempts.of(_sizes):
        yield {
            "variant": Measured(np.array([each.label("seed") for each in runs]), ("run",), "values of the run's own"),
            "size": Measured(
                padded([each["size"] for each in found]),
                ("run", "layer"),
                f"mean of |ΔW| over the entries of a layer's weights, and over updates after the first {WARM:.0%}",
                source="Alonso et al. 2024, Fig. 2",
            ),
        }


def _sizes(each: Run, place: Place) -> Measures:
    simulation = prepare(each.scenario)
    trainer, setup = simulation.trainer(), simulation.training
    if trainer is None or setup is None:
        raise UsageError("the run does not train; add [learning]")
    watched = _Watched(trainer, weight_names(simulation.network), WARM * setup.updates)
    train_with(simulation, watched)
    return {"size": np.mean(watched.sizes, axis=0)}


@dataclass
class _Watched:
    """A trainer that goes update by update, and notes how far each moved the weights."""

    trainer: Trainer
    names: Sequence[Sequence[str]]
    first: float
    sizes: list[list[float]] = field(default_factory=list)

    def run(self, batches: NDArray[np.int64], rates: NDArray[np.float64]) -> Updates:
        parts: list[Updates] = []
        for i in range(len(batches)):
            before = self.trainer.snapshot()
            parts.append(self.trainer.run(batches[i : i + 1], rates[i : i + 1]))
            after = self.trainer.snapshot()
            if after.updates > self.first:
                self.sizes.append(self._moved(before, after))
        return Updates(*map(np.concatenate, zip(*parts, strict=True)))

    def _moved(self, before: Snapshot, after: Snapshot) -> list[float]:
        layers = zip(self.names, before.parameters, after.parameters, strict=True)
        return [
            float(np.mean(np.concatenate([np.abs(new[name] - old[name]).ravel() for name in own]))) if own else np.nan
            for own, old, new in layers
        ]

    def diagnose(self, batch: NDArray[np.int64], rate: float) -> Diagnosis:
        return self.trainer.diagnose(batch, rate)

    def evaluate(self, x: Samples, y: NDArray[np.float64]) -> Outcome:
        return self.trainer.evaluate(x, y)

    def snapshot(self) -> Snapshot:
        return self.trainer.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        self.trainer.restore(snapshot)


def draw(results: Results) -> Any:
    """Draw sizes by layer, bars a variant, with the spread of the seeds."""
    figure, axes = new_figure((7.0, 4.2))
    groups = _by_variant(results)
    width = 0.8 / len(groups)
    for i, (label, sizes) in enumerate(groups.items()):
        place = np.arange(sizes.shape[1]) + (i - (len(groups) - 1) / 2) * width
        mean, spread = sizes.mean(axis=0), deviation(sizes)
        colour = OKABE_ITO[i % len(OKABE_ITO)]
        axes.bar(place, mean, width, yerr=spread, color=colour, capsize=2, label=as_text(label))
    axes.set_yscale("log")
    axes.set_xticks(np.arange(results["size"].values.shape[1]))
    axes.set_xlabel("layer")
    axes.set_ylabel("mean size of an update's entries")
    axes.grid(alpha=0.2, axis="y")
    axes.legend(fontsize=8, frameon=False)
    return figure


def _by_variant(results: Results) -> dict[str, NDArray[np.float64]]:
    labels = results["variant"].values.astype(str)
    return {str(label): results["size"].values[labels == label] for label in dict.fromkeys(labels)}


def table(results: Results) -> list[dict[str, str]]:
    """Return every variant's sizes by layer, and how many times the largest is the smallest."""
    rows: list[dict[str, str]] = []
    for label, sizes in _by_variant(results).items():
        mean = sizes.mean(axis=0)
        by_layer = {f"layer {i}": f"{size:.2g}" for i, size in enumerate(mean)}
        known = mean[np.isfinite(mean)]
        apart = f"{known.max() / known.min():.3g}×" if known.min() > 0 else "∞"
        rows.append({"run": label or "the run", "seeds": str(len(sizes)), **by_layer, "largest / smallest": apart})
    return rows
