"""Figures of what runs of a study came to: over one key or two, as lines through more; how much each matters."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from pcsim.errors import UsageError
from pcsim.figures.axes import as_text, new_figure
from pcsim.figures.own_settings import own_settings
from pcsim.report.plotting import save
from pcsim.studies import Group, StudyRuns
from pcsim.studies.ranking import is_accuracy
from pcsim.typing import NDArray

WIDE = 4.0
"""Ratio of a swept key's largest to its smallest value above which its axis is logarithmic."""
FEW_FOR_IMPORTANCE = 8


@own_settings()
def plot_results(found: StudyRuns, path: Path, *, force: bool = False) -> Path:
    """Draw the number that runs are ranked by over the keys in which they differ, and save it.

    One key makes points with deviations over seeds, two a heat map, more a line a group of runs through all of them. A
    second panel shows how much each key matters where there are several and Optuna is installed. Raises `UsageError`
    where there is nothing to draw, and as `pcsim.plot`.
    """
    groups = [group for group in found.groups() if np.isfinite(group.rank)]
    keys = [key for key in found.keys if key not in ("seed", "data.seed")]
    if found.by is None or not groups or not keys:
        raise UsageError(
            "there is nothing to draw: runs differ in nothing but seeds, or have no number to rank them by"
        )
    weights = _importance(groups, keys) if len(keys) > 1 and len(groups) >= FEW_FOR_IMPORTANCE else None
    figure, panels = new_figure(
        (5.6 + 1.2 * max(0, len(keys) - 3) + (3.6 if weights else 0), 4.4), 1, 1 + bool(weights), squeeze=False
    )
    (left, *right) = panels[0]
    draw = (_draw_points, _draw_map, _draw_lines)[min(len(keys), 3) - 1]
    draw(figure, left, found.by, groups, keys)
    if weights:
        right[0].barh(list(weights), list(weights.values()), color="0.5")
        right[0].invert_yaxis()
        right[0].set_xlabel("importance for the best tenth (PED-ANOVA)")
    figure.suptitle(as_text(found.title or found.kind, 90), fontsize=10)
    return save(figure, path, force=force)


def _scores(name: str, groups: Sequence[Group]) -> NDArray[np.float64]:
    return np.array([float(group.numbers(name).mean()) for group in groups]) * (100 if is_accuracy(name) else 1)


def _words(name: str) -> str:
    return name.replace("_", " ") + (" (%)" if is_accuracy(name) else "")


class _Axis:
    """Where the values of a key are on an axis: numbers where they are, words side by side."""

    def __init__(self, groups: Sequence[Group], key: str) -> None:
        values = [group.values.get(key) for group in groups]
        self.key = key
        self.numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        if self.numeric:
            self.at = np.array(values, dtype=np.float64)
            self.log = bool(self.at.min() > 0 and self.at.max() > WIDE * self.at.min())
            return
        words = list(dict.fromkeys(map(str, values)))
        self.at, self.log = np.array([float(words.index(str(value))) for value in values]), False
        self.words = words

    @property
    def places(self) -> NDArray[np.float64]:
        return np.unique(self.at)

    @property
    def names(self) -> list[str]:
        return [f"{place:.3g}" for place in self.places] if self.numeric else self.words

    @property
    def shares(self) -> NDArray[np.float64]:
        """Places from 0 to 1, by their logarithms where the axis is logarithmic."""
        at = np.log(self.at) if self.log else self.at
        span = at.max() - at.min()
        return (at - at.min()) / span if span > 0 else np.full(len(at), 0.5)


def _draw_points(figure: Any, axes: Any, name: str, groups: Sequence[Group], keys: Sequence[str]) -> None:
    axis, factor = _Axis(groups, keys[0]), 100 if is_accuracy(name) else 1
    spread = [factor * float(numbers.std(ddof=1)) if (numbers := g.numbers(name)).size > 1 else 0.0 for g in groups]
    order = np.argsort(axis.at)
    axes.errorbar(axis.at[order], _scores(name, groups)[order], np.array(spread)[order], marker="o", capsize=3)
    if axis.log:
        axes.set_xscale("log")
    if not axis.numeric:
        axes.set_xticks(axis.places, [as_text(word) for word in axis.names])
    axes.set_xlabel(as_text(keys[0]))
    axes.set_ylabel(_words(name))
    axes.grid(alpha=0.2)


def _draw_map(figure: Any, axes: Any, name: str, groups: Sequence[Group], keys: Sequence[str]) -> None:
    """Draw a cell a pair of values, of equal size: on a grid that is even in logarithms this is the logarithmic map."""
    first, second = (_Axis(groups, key) for key in keys)
    cells = np.full((len(second.places), len(first.places)), np.nan)
    rows, columns = (np.searchsorted(axis.places, axis.at) for axis in (second, first))
    scores = _scores(name, groups)
    if max(cells.shape) > 24 or np.isnan(cells).size > 4 * len(groups):  # drawn at random, no grid
        mesh = axes.scatter(first.at, second.at, c=scores, cmap="viridis" if is_accuracy(name) else "viridis_r")
        for axis, scale, ticks in (
            (first, axes.set_xscale, axes.set_xticks),
            (second, axes.set_yscale, axes.set_yticks),
        ):
            if axis.log:
                scale("log")
            if not axis.numeric:
                ticks(axis.places, axis.names)
    else:
        cells[rows, columns] = scores
        mesh = axes.imshow(cells, origin="lower", aspect="auto", cmap="viridis" if is_accuracy(name) else "viridis_r")
        axes.set_xticks(range(len(first.places)), [as_text(word) for word in first.names])
        axes.set_yticks(range(len(second.places)), [as_text(word) for word in second.names])
        axes.set_facecolor("0.85")
    axes.set_xlabel(as_text(keys[0]))
    axes.set_ylabel(as_text(keys[1]))
    figure.colorbar(mesh, ax=axes, label=_words(name))


def _draw_lines(figure: Any, axes: Any, name: str, groups: Sequence[Group], keys: Sequence[str]) -> None:
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scores, several = _scores(name, groups), [_Axis(groups, key) for key in keys]
    norm, colours = Normalize(scores.min(), scores.max()), colormaps["viridis" if is_accuracy(name) else "viridis_r"]
    shares = np.stack([axis.shares for axis in several], axis=1)
    for i in range(len(groups) - 1, -1, -1):  # the best on top
        axes.plot(
            range(len(keys)), shares[i], color=colours(norm(scores[i])), alpha=0.8, linewidth=2.2 if i == 0 else 1
        )
    for i, axis in enumerate(several):
        axes.axvline(i, color="0.6", linewidth=0.8)
        for place, word in zip(*_ticks(axis), strict=True):
            axes.annotate(as_text(word), (i, place), xytext=(3, 0), textcoords="offset points", fontsize=7, va="center")
    axes.set_xticks(range(len(keys)), [as_text(key.rpartition(".")[2].replace("_", " "), 14) for key in keys])
    axes.set_yticks([])
    axes.set_xlim(-0.2, len(keys) - 0.4)
    figure.colorbar(ScalarMappable(norm, colours), ax=axes, label=_words(name))


def _ticks(axis: _Axis) -> tuple[list[float], list[str]]:
    """Return places from 0 to 1 and their words, the ends alone where there are many."""
    order = {float(at): float(share) for at, share in zip(axis.at, axis.shares, strict=True)}
    places = axis.places if len(axis.places) <= 8 else axis.places[[0, -1]]
    names = axis.names if len(axis.places) <= 8 else [axis.names[0], axis.names[-1]]
    return [order[float(place)] for place in places], names


def _importance(groups: Sequence[Group], keys: Sequence[str]) -> dict[str, float] | None:
    """Return how much every key matters, by Optuna's PED-ANOVA (Watanabe et al. 2023); None without Optuna."""
    if find_spec("optuna") is None:
        return None
    from pcsim.studies.importance import importance

    return importance([group.values for group in groups], [group.rank for group in groups], keys)
