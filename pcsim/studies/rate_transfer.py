"""The least training loss over learning rate and step size, for several widths and depths (thesis, Fig. 5.5)."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from pcsim.assemble import hidden_units
from pcsim.errors import UsageError
from pcsim.figures.axes import as_text, new_figure, plain_number
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.outcome import outcome_of
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results
from pcsim.studies.rows import Measures
from pcsim.studies.work import Work
from pcsim.typing import NDArray

WORK = Work.RUNS
Size: TypeAlias = tuple[int, int]
"""Width and hidden layers of a network."""
_SWEPT = ("width", "layers", "lr", "step size", "steps", "seed")
_MEANINGS = {
    "width": "width of the hidden layers",
    "depth": "hidden layers",
    "lr": "learning rate",
    "step_size": "step size of inference",
}


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless all runs train, with a step size of inference."""
    if any(each.scenario.learning is None for each in runs):
        raise UsageError(f"{scenario.where('study')}: the study rate-transfer needs runs that train; add [learning]")
    if any(not isinstance(each.scenario.inference.step_size, float) for each in runs):
        raise UsageError(
            f"{scenario.where('study')}: the study rate-transfer is over step sizes of inference; give every run a "
            'number for inference.step_size, and no method = "backprop"'
        )


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Train in every run; the loss of one that diverges is infinite."""
    for runs, found in attempts.of(_least):
        labels = np.array([each.label(*_SWEPT) for each in runs])
        places = [_place(each.scenario) for each in runs]
        yield {
            "variant": Measured(labels, ("run",), "what else is a run's own"),
            **{
                name: Measured(np.array([place[name] for place in places]), ("run",), meaning)
                for name, meaning in _MEANINGS.items()
            },
            "least_loss": Measured(
                np.array([each["least_loss"] for each in found]),
                ("run",),
                "least training loss of a batch before an update, infinite where training diverged",
                source="thesis, Fig. 5.5",
            ),
            "test_accuracy": Measured(
                np.array([each["test_accuracy"] for each in found]), ("run",), "best test accuracy of any epoch"
            ),
        }


def _place(scenario: Scenario) -> dict[str, int | float]:
    units, learning = hidden_units(scenario), scenario.learning
    return {
        "width": max(units, default=0),
        "depth": len(units),
        "lr": np.nan if learning is None else learning.largest_lr,
        "step_size": float(scenario.inference.step_size),
    }


def _least(each: Run, place: Place) -> Measures:
    with place.run_as_far_as_it_goes(each) as trace:
        losses, accuracy = (np.asarray(trace.training[name], dtype=np.float64) for name in ("loss", "test_accuracy"))
        if trace.status != "complete" or not np.isfinite(losses).all():
            return {"least_loss": np.inf, "test_accuracy": np.nan, "outcome": outcome_of(trace)}
        return {"least_loss": losses.min(), "test_accuracy": accuracy.max(), "outcome": outcome_of(trace)}


def draw(results: Results) -> Any:
    """Draw a map a network, a row a variant; a star is at the best rates, a circle at those of the first network."""
    variants, sizes = _variants(results), _sizes(results)
    figure, panels = new_figure(
        (2.3 * len(sizes) + 1.6, 2.5 * len(variants) + 0.6), len(variants), len(sizes), squeeze=False
    )
    known = results["least_loss"].values[np.isfinite(results["least_loss"].values)]
    low, high = (float(np.log10(pick(known))) if len(known) else 0.0 for pick in (np.min, np.max))
    mesh = None
    for row, variant in zip(panels, variants, strict=True):
        maps = {size: _map(results, variant, size) for size in sizes}
        first = _best(maps[sizes[0]])
        for axes, size in zip(row, sizes, strict=True):
            mesh = axes.pcolormesh(
                np.ma.masked_invalid(np.log10(maps[size])), cmap="viridis_r", vmin=low, vmax=max(high, low + 1e-9)
            )
            for place, mark in ((first, "o"), (_best(maps[size]), "*")):
                if place is not None:
                    axes.plot(place[1] + 0.5, place[0] + 0.5, mark, color="white", markeredgecolor="black")
            _mark_axes(axes, results)
            axes.set_title(f"{size[0]} wide, {size[1]} hidden layers", fontsize=8)
        row[0].set_ylabel(f"{as_text(variant, 30)}\nlearning rate".strip(), fontsize=8)
    for axes in panels[-1]:
        axes.set_xlabel("step size of inference", fontsize=8)
    figure.colorbar(mesh, ax=panels, label="log₁₀ of the least training loss; white: diverged", shrink=0.8)
    return figure


def _mark_axes(axes: Any, results: Results) -> None:
    for axis, name in ((axes.xaxis, "step_size"), (axes.yaxis, "lr")):
        values = np.unique(results[name].values)
        axis.set_ticks(np.arange(len(values)) + 0.5, [plain_number(float(f"{value:.2g}")) for value in values])
        axis.set_tick_params(labelsize=7)
    axes.tick_params(axis="x", rotation=60)


def _variants(results: Results) -> list[str]:
    return list(dict.fromkeys(results["variant"].values.astype(str).tolist()))


def _sizes(results: Results) -> list[Size]:
    """Return the networks in the order of the runs."""
    pairs = zip(results["width"].values.tolist(), results["depth"].values.tolist(), strict=True)
    return list(dict.fromkeys((int(width), int(depth)) for width, depth in pairs))


def _map(results: Results, variant: str, size: Size) -> NDArray[np.float64]:
    """Return the least loss, mean over the seeds, a row a learning rate and a column a step size; NaN where none is."""
    own = (
        (results["variant"].values.astype(str) == variant)
        & (results["width"].values == size[0])
        & (results["depth"].values == size[1])
    )
    rates, steps = np.unique(results["lr"].values), np.unique(results["step_size"].values)
    found = np.full((len(rates), len(steps)), np.nan)
    for i, rate in enumerate(rates):
        for j, step in enumerate(steps):
            there = own & (results["lr"].values == rate) & (results["step_size"].values == step)
            if there.any():
                found[i, j] = results["least_loss"].values[there].mean()
    return found


def _best(losses: NDArray[np.float64]) -> tuple[int, int] | None:
    """Return row and column of the least loss, None where every training diverged."""
    if not np.isfinite(losses).any():
        return None
    row, column = np.unravel_index(np.nanargmin(losses), losses.shape)
    return int(row), int(column)


def table(results: Results) -> list[dict[str, str]]:
    """Return the best rates of every network, and what those of the first network come to in it."""
    rates, steps = np.unique(results["lr"].values), np.unique(results["step_size"].values)
    rows: list[dict[str, str]] = []
    for variant in _variants(results):
        maps = {size: _map(results, variant, size) for size in _sizes(results)}
        first = _best(next(iter(maps.values())))
        for size, losses in maps.items():
            best, there = _best(losses), losses[~np.isnan(losses)]
            rows.append(
                {
                    "run": f"{variant}, {size[0]} wide, {size[1]} hidden".removeprefix(", "),
                    "best learning rate": "–" if best is None else f"{rates[best[0]]:g}",
                    "best step size": "–" if best is None else f"{steps[best[1]]:.3g}",
                    "least loss": "–" if best is None else f"{losses[best]:.3g}",
                    "at the first's rates": "–" if first is None else _loss_in_words(float(losses[first])),
                    "diverged": f"{int(np.isinf(there).sum())} of {len(there)}",
                }
            )
    return rows


def _loss_in_words(loss: float) -> str:
    return "diverged" if np.isinf(loss) else "–" if np.isnan(loss) else f"{loss:.3g}"
