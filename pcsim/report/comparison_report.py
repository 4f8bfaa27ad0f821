"""What a comparison says, top down: what a format alone keeps silent, a line a run, and all that was measured."""

import numpy as np
from rich.console import Console

from pcsim.model.arithmetic import FORMATS
from pcsim.report.comparison_table import Measured, error_words, measured, run_table
from pcsim.report.findings import noise_of, underflow
from pcsim.report.tables import new_table, print_table
from pcsim.runs.comparison import Comparison
from pcsim.trace import Trace
from pcsim.typing import NDArray
from pcsim.words import layers


def print_comparison(comparison: Comparison, console: Console, *, full: bool = False) -> None:
    """Print a sentence for every combination and a table with a line for each; `full` adds tables of the layers."""
    title = str(comparison.traces[0].attributes.get("title", ""))
    if title:
        console.print(title, style="bold", highlight=False, markup=False)
    for sentence in verdicts(comparison):
        console.print(sentence, highlight=False)
    console.print()
    runs, reference = measured(comparison), comparison.labels[comparison.reference]
    print_table(run_table(comparison, runs), console)
    console.print(f"relative errors are those of any layer's energy, against {reference}", highlight=False)
    if not full:
        return
    clock = comparison.traces[0].clock
    against = f"of the energy, against {reference}"
    largest, last = ([[error_words(value) for value in values] for values in each] for each in _errors(runs))
    console.print()
    _print_columns(comparison, [run.arrivals for run in runs], f"arrival {clock}", console)
    _print_columns(comparison, largest, f"largest relative error {against}", console)
    _print_columns(comparison, last, f"relative error at the last common {clock} {against}", console)


def _errors(runs: list[Measured]) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    return [run.largest for run in runs], [run.last for run in runs]


def verdicts(comparison: Comparison) -> list[str]:
    """Return a sentence for every combination: what its format alone keeps silent, and whether it diverged."""
    sentences: list[str] = []
    for i, (label, trace) in enumerate(zip(comparison.labels, comparison.traces, strict=True)):
        if trace.status == "failed":
            sentences.append(f"{label}: {trace.attributes.get('failure', 'the run failed')}.")
            continue
        sentences += [f"{label}: {sentence}" for sentence in underflow(trace)]
        if i == comparison.reference or "arrival_step" not in comparison.traces[comparison.reference]:
            continue
        silent = comparison.silent_by_format(i)
        if silent:
            verb = "are" if len(silent) > 1 else "is"
            sentences.append(
                f"{label}: {layers(silent)} {verb} silent only because of the format; the signal is there in "
                f"{comparison.labels[comparison.reference]}."
            )
        else:
            sentences.append(_timing(label, trace, comparison.traces[comparison.reference]))
    best = comparison.combinations[comparison.reference]
    if best.form == "standard" and best.precision in FORMATS:
        # The exact backend has no continuous time.
        more = "the form increment" if best.scenario.inference.solver else "the precision exact or the form increment"
        sentences.append(
            f"The reference, {comparison.labels[comparison.reference]}, is rounded itself: add {more} to know what it "
            f"has lost."
        )
    return sentences


def _timing(label: str, trace: Trace, reference: Trace) -> str:
    """Return a sentence on when the signal came, compared with the reference."""
    noise = noise_of(trace)
    if noise is not None:
        return f"{label}: {noise}."
    ours, theirs = _arrivals(trace), _arrivals(reference)
    late = [int(i) for i in np.flatnonzero((ours > theirs) & (theirs >= 0))]
    early = [int(i) for i in np.flatnonzero((ours >= 0) & ((theirs < 0) | (ours < theirs)))]
    sentence = f"{label}: the signal reaches every layer that it reaches in the reference"
    sentence += f", but late in {layers(late)}." if late else ", on time."
    return sentence + (f" Errors in {layers(early)} come before it, from rounding." if early else "")


def _arrivals(trace: Trace) -> NDArray[np.number]:
    """Return when a signal was first seen in each layer by the trace's clock, -1 if never."""
    return np.nan_to_num(trace.arrival_times, nan=-1.0) if trace.clock == "time" else trace.arrival_steps


def _print_columns(comparison: Comparison, columns: list[list[str]], title: str, console: Console) -> None:
    """Print layers down and combinations across, in as many tables as the width of the terminal asks for."""
    labels = [label.split(" ") for label in comparison.labels]
    names = list(comparison.traces[0].layer_names)
    width = max(len(word) for words in [*labels, *columns] for word in words) + 2
    across = max(1, (console.width - max(map(len, names)) - 2) // width)
    for first in range(0, len(columns), across):
        chosen = range(first, min(first + across, len(columns)))
        console.print(title, style="italic", highlight=False, soft_wrap=True)
        table = new_table("layer", *("\n".join(labels[i]) for i in chosen))
        for layer, name in enumerate(names):
            table.add_row(name, *(columns[i][layer] for i in chosen))
        console.print(table)
        console.print()
