"""Panels on how training went: accuracies or losses, energies of the layers, and how like backprop's updates are."""

import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from pcsim.figures.layer_lines import draw_lines
from pcsim.trace import Trace
from pcsim.typing import NDArray

POINTS = 1000
"""Points of a line at most; of more updates means are drawn."""
LEAST_SPREAD = 1e-3
"""Of cosines between the ends of a colour bar."""
MARKED = 50
"""Epochs up to which each has a marker."""
CLOCKS = ("update", "epoch", "evaluation")
PARTS = {"train": ("training", "tab:blue"), "validation": ("validation", "tab:orange"), "test": ("test", "tab:green")}


def has_training(trace: Trace) -> bool:
    """Tell whether there are updates to draw."""
    return trace.rows_by_clock.get("training/update", 0) > 0


def by_training(traces: Sequence[Trace]) -> list[list[int]]:
    """Return the numbers of the traces, those of training runs that differ in nothing but their seed together."""
    found: dict[str, list[int]] = {}
    for i, trace in enumerate(traces):
        scenario: dict[str, Any] = {}
        with suppress(ValueError, RecursionError):  # a text that is no scenario is like no other
            scenario = tomllib.loads(trace.provenance.get("scenario", "")) if has_training(trace) else {}
        scenario.pop("seed", None)
        found.setdefault(repr(scenario or i), []).append(i)
    return list(found.values())


def draw_curves(axes: Any, traces: Sequence[Trace]) -> None:
    """Draw what the epochs came to; of several traces means, as far as all of them go, over thin lines of each."""
    history = _averaged(traces)
    if len(history["epoch"]):
        per_epoch = int(traces[0].attributes["updates_per_epoch"])
        _draw_epochs(axes, history, [trace.training for trace in traces], per_epoch)
        if len(traces) == 1:
            _mark_kept(axes, traces[0])
    else:
        _draw_losses(axes, history)


def draw_updates(axes: Any, traces: Sequence[Trace]) -> None:
    """Draw the layers' energies at the end of the inference of each update, means over several traces."""
    history = _averaged(traces)
    every, update, energy = _thinned(history["update"], history["energy"])
    draw_lines(axes, update, energy, list(traces[0].layer_names))
    axes.set_xlabel("update" if every == 1 else f"update (means of {every})")
    axes.set_title("at the end of the inference of each update", loc="right")


def has_alignment(trace: Trace) -> bool:
    """Tell whether there are epochs, two at least, whose gradients were compared with backpropagation's."""
    return has_training(trace) and len(trace.training.get("cosine", np.empty(0))) > 1


def draw_cosine(figure: Any, axes: Any, traces: Sequence[Trace]) -> None:
    """Draw the cosine to backpropagation by layer and epoch, the mean over several traces."""
    from matplotlib.colors import Normalize

    history = _averaged(traces)
    epoch, cosine = history["epoch"], history["cosine"]
    edges = np.append(epoch - 0.5, epoch[-1] + 0.5)
    axes.set_facecolor("0.85")
    shown = np.ma.masked_invalid(cosine).T
    # The colours are spread over what there is: cosines of 0.95 to 1 differ, too.
    low, high = (float(shown.min()), float(shown.max())) if shown.count() else (0.0, 1.0)
    norm = Normalize(min(low, high - LEAST_SPREAD), high)
    mesh = axes.pcolormesh(edges, np.arange(cosine.shape[1] + 1) - 0.5, shown, norm=norm, cmap="viridis")
    figure.colorbar(mesh, ax=axes).set_label("cosine to backpropagation")
    axes.set_ylabel("layer (input to output)")
    axes.yaxis.get_major_locator().set_params(integer=True)
    if shown.count() < shown.size:
        axes.set_title("grey: no gradient", loc="right")
    _of_first_updates(axes)


def draw_change(axes: Any, traces: Sequence[Trace]) -> None:
    """Draw how far each layer's weights move in an update, the mean over several traces."""
    history = _averaged(traces)
    draw_lines(axes, history["epoch"].astype(np.float64), history["update_ratio"], list(traces[0].layer_names))
    axes.set_ylabel("‖ΔW‖/‖W‖ of an update")
    _of_first_updates(axes)


def _of_first_updates(axes: Any) -> None:
    axes.set_xlabel("epoch (its first update)")
    axes.xaxis.get_major_locator().set_params(integer=True)


def _averaged(traces: Sequence[Trace]) -> Mapping[str, NDArray[Any]]:
    """Return what training recorded, of several traces the means over the rows that all have."""
    if len(traces) == 1:
        return traces[0].training
    found: dict[str, NDArray[Any]] = {}
    for name in traces[0].training:
        each = [trace.training[name] for trace in traces]
        rows = min(map(len, each))
        found[name] = each[0][:rows] if name in CLOCKS else np.mean([e[:rows] for e in each], axis=0)
    return found


def _draw_epochs(
    axes: Any, history: Mapping[str, NDArray[Any]], each: Sequence[Mapping[str, NDArray[Any]]], per_epoch: int
) -> None:
    accuracies = bool(np.isfinite(history["train_accuracy"]).any())
    measure, scale = ("accuracy", 100) if accuracies else ("loss", 1)
    for part, (word, colour) in PARTS.items():
        values = history.get(f"{part}_{measure}", np.empty(0))
        if np.isfinite(values).any():
            shown = scale * values
            last = f"{shown[-1]:.1f} %" if accuracies else f"{shown[-1]:.3g}"
            label = f"{word} (last: {last})" if len(each) == 1 else f"{word}, mean of {len(each)} (last: {last})"
            for one in each if len(each) > 1 else ():
                axes.plot(one["epoch"], scale * one[f"{part}_{measure}"], color=colour, alpha=0.4, linewidth=0.6)
            marker = "." if len(values) <= MARKED else None
            axes.plot(history["epoch"], shown, color=colour, marker=marker, linewidth=1.2, label=label)
        within = history.get(f"evaluated_{part}_{measure}", np.empty(0))
        if np.isfinite(within).any():
            axes.plot(history["evaluation"] / per_epoch, scale * within, color=colour, alpha=0.6, linewidth=0.6)
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    _finish(axes, "accuracy (%)" if accuracies else "loss", log=not accuracies)


def _mark_kept(axes: Any, trace: Trace) -> None:
    kept, epochs = int(trace.attributes.get("epoch_kept", 0)), trace.training["epoch"]
    if len(epochs) and epochs[0] <= kept < epochs[-1]:
        axes.axvline(kept, color="0.4", linestyle=":", linewidth=1, label=f"weights kept: epoch {kept}")
        axes.legend(loc="best")


def _draw_losses(axes: Any, history: Mapping[str, NDArray[Any]]) -> None:
    """Before the first epoch is over there are losses of batches only."""
    _, update, loss = _thinned(history["update"], history["loss"])
    axes.plot(update, np.where(np.isfinite(loss), loss, np.nan), color="tab:blue", marker=".", label="training batches")
    axes.set_xlabel("update")
    _finish(axes, "loss", log=bool((loss > 0).any()))


def _finish(axes: Any, name: str, *, log: bool) -> None:
    if log:
        axes.set_yscale("log")
    axes.set_ylabel(name)
    axes.legend(loc="best")
    axes.grid(alpha=0.2)


def _thinned(
    update: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[int, NDArray[np.float64], NDArray[np.float64]]:
    """Return how many updates a point stands for, the points' numbers and the means of the values."""
    every = -(-len(update) // POINTS)
    starts = np.arange(0, len(update), every)
    counts = np.diff(np.append(starts, len(update)))
    with np.errstate(all="ignore"):
        sums = np.add.reduceat(values, starts, axis=0)
        means = sums / counts.reshape(-1, *[1] * (values.ndim - 1))
    return every, np.add.reduceat(update.astype(np.float64), starts) / counts, means
