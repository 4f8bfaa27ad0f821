"""What a comparison says: arrival steps, relative errors, and which layers a format alone keeps silent."""

import numpy as np
from rich.console import Console
from rich.table import Table

from pcsim.comparison import Comparison
from pcsim.findings import layers


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the tables of arrival steps and relative errors, then a sentence for every combination."""
    reference = comparison.labels[comparison.reference]
    errors = [comparison.relative_error(i) for i in range(len(comparison.traces))]
    arrivals = [[_arrival(int(step)) for step in trace.arrival_steps] for trace in comparison.traces]
    largest = [[f"{value:.1e}" if value else "0" for value in error.max(axis=0)] for error in errors]
    last = [[f"{value:.1e}" if value else "0" for value in error[-1]] for error in errors]
    _print_columns(comparison, arrivals, "arrival step", console)
    _print_columns(comparison, largest, f"largest relative error of the energy, against {reference}", console)
    _print_columns(comparison, last, f"relative error of the energy at the last step, against {reference}", console)
    for sentence in verdicts(comparison):
        console.print(sentence, highlight=False)


def verdicts(comparison: Comparison) -> list[str]:
    """Return a sentence for every combination: what its format alone keeps silent, and whether it diverged."""
    sentences: list[str] = []
    for i, (label, trace) in enumerate(zip(comparison.labels, comparison.traces, strict=True)):
        if trace.status == "failed":
            sentences.append(f"{label}: {trace.attributes.get('failure', 'the run failed')}.")
        if i == comparison.reference or trace.status == "failed":
            continue
        silent = comparison.silent_by_format(i)
        if silent:
            verb = "are" if len(silent) > 1 else "is"
            sentences.append(
                f"{label}: {layers(silent)} {verb} silent only because of the format; the signal is there in "
                f"{comparison.labels[comparison.reference]}."
            )
        else:
            late = comparison.traces[comparison.reference].arrival_steps
            later = [int(j) for j in np.flatnonzero(trace.arrival_steps > late)]
            sentences.append(
                f"{label}: the signal reaches every layer that it reaches in the reference"
                + (f", but late in {layers(later)}." if later else ", on time.")
            )
    return sentences


def _print_columns(comparison: Comparison, columns: list[list[str]], title: str, console: Console) -> None:
    """Print layers down and combinations across, in as many tables as the width of the terminal asks for."""
    labels = [label.split(" ") for label in comparison.labels]
    names = list(comparison.traces[0].layer_names)
    width = max(len(word) for words in [*labels, *columns] for word in words) + 2
    across = max(1, (console.width - max(map(len, names)) - 2) // width)
    for first in range(0, len(columns), across):
        chosen = range(first, min(first + across, len(columns)))
        table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
        table.add_column("layer", no_wrap=True)
        for i in chosen:
            table.add_column("\n".join(labels[i]), justify="right", no_wrap=True)
        for layer, name in enumerate(names):
            table.add_row(name, *(columns[i][layer] for i in chosen))
        console.print(table)
        console.print()


def _arrival(step: int) -> str:
    return "never" if step < 0 else str(step)
