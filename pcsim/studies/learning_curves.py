"""Losses and accuracies by epoch of runs that train, seeds averaged (Alonso et al. 2024, Fig. 2)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pcsim.errors import UsageError
from pcsim.figures.axes import as_text, new_figure
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.outcome import outcome_of
from pcsim.studies.parts import OKABE_ITO
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results, at_the_end, padded
from pcsim.studies.rows import Measures
from pcsim.typing import NDArray

MEASURES = {"train_loss": "training loss", "test_accuracy": "test accuracy"}
_LINES = ("-", "--", ":", "-.")


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless runs train."""
    if any(each.scenario.learning is None for each in runs):
        raise UsageError(f"{scenario.where('study')}: the study learning-curves needs runs that train; add [learning]")


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Train in every run."""
    for runs, found in attempts.of(_curves):
        labels = np.array([each.label("seed") for each in runs])
        curves = {name: padded([each[name] for each in found]) for name in MEASURES}
        yield {
            "variant": Measured(labels, ("run",), "values of the run's own, but for its seed"),
            "seed": Measured(np.array([each.scenario.seed for each in runs]), ("run",), "seed"),
        } | {name: Measured(curves[name], ("run", "epoch"), words) for name, words in MEASURES.items()}


def _curves(each: Run, place: Place) -> Measures:
    with place.run(each) as trace:
        curves = {name: np.asarray(trace.training[name], dtype=np.float64) for name in MEASURES}
        return {**curves, "outcome": outcome_of(trace)}


def draw(results: Results) -> Any:
    """Draw means over the seeds, and the range of them shaded."""
    figure, panels = new_figure((10.5, 4.4), 1, len(MEASURES))
    for axes, (name, words) in zip(panels, MEASURES.items(), strict=True):
        percent = name.endswith("accuracy")
        for i, (label, values) in enumerate(_by_variant(results, name).items()):
            epoch = np.arange(1, values.shape[1] + 1)
            shown = 100 * values if percent else values
            colour, line = OKABE_ITO[i % len(OKABE_ITO)], _LINES[i // len(OKABE_ITO)]
            axes.plot(epoch, shown.mean(axis=0), line, color=colour, linewidth=1.4, label=as_text(label))
            axes.fill_between(epoch, shown.min(axis=0), shown.max(axis=0), color=colour, alpha=0.15, linewidth=0)
        axes.set_xlabel("epoch")
        axes.set_ylabel(f"{words} (%)" if percent else words)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.2)
    panels[0].set_yscale("log")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _by_variant(results: Results, name: str) -> dict[str, NDArray[np.float64]]:
    labels = results["variant"].values.astype(str)
    return {str(label): results[name].values[labels == label] for label in dict.fromkeys(labels)}


def table(results: Results) -> list[dict[str, str]]:
    """Return what every variant came to at its first and last epoch, means over the seeds."""
    variant, first = results["variant"].values.astype(str), results["test_accuracy"].values[:, 0]
    loss, accuracy = (at_the_end(results, name) for name in MEASURES)
    return [
        {
            "run": label,
            "seeds": str(np.count_nonzero(variant == label)),
            "training loss": f"{loss[variant == label].mean():.3g}",
            "test accuracy, epoch 1": f"{100 * first[variant == label].mean():.1f} %",
            "test accuracy, last": f"{100 * accuracy[variant == label].mean():.1f} %",
        }
        for label in dict.fromkeys(variant.tolist())
    ]
