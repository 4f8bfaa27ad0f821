"""Losses and accuracies of runs that train, by epoch and by seconds, seeds averaged (Alonso et al. 2024, Fig. 6)."""

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
from pcsim.studies.work import Work
from pcsim.typing import NDArray

WORK = Work.RUNS
MEASURES = {
    "train_loss": "training loss",
    "test_loss": "test loss",
    "test_accuracy": "test accuracy",
    "wall_seconds": "seconds of training, evaluation included",
}
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
    """Draw means over the seeds, and the range of them shaded: by epoch, and the loss by seconds."""
    measured = _of_the_test(results)
    # Traces from before there were seconds have two panels.
    count = 3 if "wall_seconds" in results else 2
    figure, panels = new_figure((4.9 * count, 4.4), 1, count)
    for i, label in enumerate(_variants(results)):
        style: dict[str, Any] = {"color": OKABE_ITO[i % len(OKABE_ITO)], "linestyle": _LINES[i // len(OKABE_ITO)]}
        losses, tests = (_of_variant(results, name, label) for name in ("train_loss", measured))
        epoch = np.arange(1, losses.shape[1] + 1)
        _draw_range(panels[0], epoch, losses, as_text(label), style)
        _draw_range(panels[1], epoch, 100 * tests if measured == "test_accuracy" else tests, "", style)
        if len(panels) > 2:
            _draw_range(panels[2], _of_variant(results, "wall_seconds", label).mean(axis=0), losses, "", style)
    words = ("training loss", f"{MEASURES[measured]} (%)" if measured == "test_accuracy" else MEASURES[measured])
    for axes, name in zip(panels, (*words, "training loss"), strict=False):
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.grid(alpha=0.2)
        if "loss" in name:
            axes.set_yscale("log")
    if len(panels) > 2:
        panels[2].set_xlabel("seconds")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _draw_range(axes: Any, x: NDArray[Any], values: NDArray[np.float64], label: str, style: dict[str, Any]) -> None:
    axes.plot(x, values.mean(axis=0), linewidth=1.4, label=label, **style)
    axes.fill_between(x, values.min(axis=0), values.max(axis=0), color=style["color"], alpha=0.15, linewidth=0)


def _of_the_test(results: Results) -> str:
    """Return which measure of the test samples there is: a loss where nothing is classified."""
    accurate = np.isfinite(results["test_accuracy"].values).any()
    return "test_accuracy" if accurate or "test_loss" not in results else "test_loss"


def _variants(results: Results) -> list[str]:
    return list(dict.fromkeys(results["variant"].values.astype(str).tolist()))


def _of_variant(results: Results, name: str, label: str) -> NDArray[np.float64]:
    return results[name].values[results["variant"].values.astype(str) == label]


def table(results: Results) -> list[dict[str, str]]:
    """Return what every variant came to at its first and last epoch, means over the seeds."""
    measured = _of_the_test(results)
    variant = results["variant"].values.astype(str)
    loss, last = (at_the_end(results, name) for name in ("train_loss", measured))
    first = results[measured].values[:, 0]

    def shown(values: NDArray[np.float64]) -> str:
        mean = float(values.mean())
        return f"{100 * mean:.1f} %" if measured == "test_accuracy" else f"{mean:.4g}"

    return [
        {
            "run": label,
            "seeds": str(np.count_nonzero(variant == label)),
            "training loss": f"{loss[variant == label].mean():.3g}",
            f"{MEASURES[measured]}, epoch 1": shown(first[variant == label]),
            f"{MEASURES[measured]}, last": shown(last[variant == label]),
        }
        for label in _variants(results)
    ]
