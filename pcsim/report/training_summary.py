"""What training came to: a headline of losses and accuracies, and one line a layer."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.table import Table

from pcsim.report.findings import silent_in_training
from pcsim.report.tables import new_table
from pcsim.trace import Trace
from pcsim.typing import NDArray
from pcsim.words import count, duration, extent

PARTS = {"test": "test", "validation": "validation", "train": "training"}
"""Of the data, as a summary names them, most telling first."""


def training_headline(trace: Trace) -> str:
    """Return epochs, updates, seconds and what they came to at the epoch whose parameters are kept, in one line."""
    attributes, history = trace.attributes, trace.training
    epochs, updates = history["epoch"], history["update"]
    trained = int(attributes.get("epochs_trained", epochs[-1] if len(epochs) else 0))
    last = int(attributes.get("updates", updates[-1] if len(updates) else 0))
    far = f"trained {count(trained, 'epoch')}, {count(last, 'update')}"
    if "training_seconds" in attributes:
        far += f" in {duration(float(attributes['training_seconds']))}"
    if "devices" in attributes:
        far += f" on {count(int(attributes['devices']), 'device')}"
    row = trace.kept_row
    if row is None:
        return far
    far += _steps(history)
    where = "" if row == len(epochs) - 1 else f" (at epoch {epochs[row]}, whose weights are kept)"
    return f"{far}: {', '.join(measures(history, row))}{where}"


def measures(history: Mapping[str, NDArray[Any]], row: int) -> list[str]:
    """Return what an epoch came to, in words for every part of the data, most telling first."""
    parts = ((part, word) for part, word in PARTS.items() if f"{part}_loss" in history)
    return [found for part, word in parts if (found := _measure(history, part, word, row))]


def left_out(trace: Trace) -> list[str]:
    """Return a sentence on the samples that fill no batch; none where there are none, or the trace is older."""
    attributes = trace.attributes
    left, each = int(attributes.get("left_out", 0)), int(attributes.get("updates_per_epoch", 0))
    if short := int(attributes.get("last_batch", 0)):
        whole = (int(attributes["training_samples"]) - short) // (each - 1)
        return [f"the last batch of every epoch is short: {short:,} samples, where all others have {whole:,}"]
    if not left:
        return []
    samples = int(attributes["training_samples"])
    which = "others each time" if attributes["shuffled"] else "always the last"
    return [
        f"every epoch leaves out {left:,} of {samples:,} training samples, {which}: they fill no batch of "
        f"{(samples - left) // each:,}"
    ]


def training_table(trace: Trace) -> Table:
    """Return a table of the layers, input to output: what each had of the energy, and how its weights moved.

    Energies are means over the updates of the last whole epoch (or of what there is of the first), the other columns
    are of that epoch's first update; there are those of the comparison with backpropagation only where it was made.
    """
    energy, measured = _last_energies(trace), _last_diagnosis(trace)
    table = new_table("layer", "units", "energy", "share", *measured)
    silent, total = silent_in_training(trace), energy.sum()
    for i, name in enumerate(trace.layer_names):
        shown = ("no signal", "") if i in silent else (f"{energy[i]:.4g}", _percent(energy[i], total))
        cells = [_cell(column, values[i]) for column, values in measured.items()]
        table.add_row(name, str(trace.layer_widths[i]), *shown, *cells, style="yellow" if i in silent else None)
    return table


def _steps(history: Mapping[str, NDArray[Any]]) -> str:
    """Return mean and range of the steps of inference in an update, nothing where all take the same by design."""
    steps = history.get("steps", np.empty(0))
    return f", {steps.mean():.3g} steps of inference an update ({extent(steps)})" if len(steps) else ""


def _measure(history: Mapping[str, NDArray[Any]], part: str, word: str, row: int) -> str:
    """Return `test accuracy 98.3 % (loss 0.061)`, the loss alone where nothing is classified, or nothing."""
    loss, accuracy = (float(history[f"{part}_{name}"][row]) for name in ("loss", "accuracy"))
    if np.isnan(accuracy):
        return "" if np.isnan(loss) else f"{word} loss {loss:.3g}"
    # Of training samples nobody asks for the top 5.
    top_5 = f", top-5 {100 * history[f'{part}_top5'][row]:.1f} %" if _has_top_5(history, part) else ""
    return f"{word} accuracy {100 * accuracy:.1f} %{top_5} (loss {loss:.3g})"


def _has_top_5(history: Mapping[str, NDArray[Any]], part: str) -> bool:
    return part != "train" and f"{part}_top5" in history


def _last_energies(trace: Trace) -> NDArray[np.float64]:
    """Return the mean layerwise energies over the updates of the last whole epoch, or of what there is."""
    history, each = trace.training, int(trace.attributes["updates_per_epoch"])
    last, updates = history["epoch"][-1:], history["update"]
    rows = (
        slice(*updates.searchsorted([(last[0] - 1) * each, last[0] * each], side="right")) if len(last) else slice(None)
    )
    found = trace.array("training/energy", rows)
    # Of a run that diverged the sum may be beyond float64.
    with np.errstate(all="ignore"):
        return found.mean(axis=0) if len(found) else np.full(len(trace.layer_names), np.nan)


def _last_diagnosis(trace: Trace) -> dict[str, NDArray[np.float64]]:
    """Return the columns of the last epoch's first update by their heading; none before the first epoch's end."""
    history = trace.training
    headings = {"cosine": "cosine to BP", "norm_ratio": "‖PC‖/‖BP‖", "update_ratio": "‖ΔW‖/‖W‖"}
    return {words: history[name][-1] for name, words in headings.items() if name in history and len(history[name]) > 0}


def _percent(part: float, total: float) -> str:
    share = 100 * part / total if total and np.isfinite(total) else np.nan
    return "–" if not np.isfinite(share) else f"{share:.1f} %" if share >= 0.05 else f"{share:.0e} %"


def _cell(column: str, value: float) -> str:
    if np.isnan(value):
        return "–"
    return f"{value:.4f}" if column.startswith("cosine") else f"{value:.3g}"
