"""What a comparison says: arrival steps, relative errors, and which layers a format alone keeps silent."""

import numpy as np
from rich.console import Console
from rich.table import Table

from pcsim.comparison import Comparison
from pcsim.summary import spans


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the tables of arrival steps and relative errors, then a sentence for every combination."""
    reference = comparison.labels[comparison.reference]
    console.print("arrival step", style="bold")
    console.print(arrival_table(comparison))
    console.print(f"\nlargest relative error of the energy over all steps, against {reference}", style="bold")
    console.print(error_table(comparison, whole_run=True))
    console.print(f"\nrelative error of the energy at the last step, against {reference}", style="bold")
    console.print(error_table(comparison, whole_run=False))
    console.print()
    for sentence in verdicts(comparison):
        console.print(sentence, highlight=False)


def arrival_table(comparison: Comparison) -> Table:
    """Return a table of arrival steps: layers down, combinations across."""
    table = _table(comparison)
    for layer, name in enumerate(comparison.traces[0].layer_names):
        arrivals = [int(trace.arrival_steps[layer]) for trace in comparison.traces]
        table.add_row(name, *("never" if arrival < 0 else str(arrival) for arrival in arrivals))
    return table


def error_table(comparison: Comparison, whole_run: bool) -> Table:
    """Return a table of relative errors, the largest over the run or that of the last step."""
    table = _table(comparison)
    errors = [comparison.relative_error(i) for i in range(len(comparison.traces))]
    shown = [error.max(axis=0) if whole_run else error[-1] for error in errors]
    for layer, name in enumerate(comparison.traces[0].layer_names):
        cells = [
            "reference" if i == comparison.reference else _percent(float(values[layer]))
            for i, values in enumerate(shown)
        ]
        table.add_row(name, *cells)
    return table


def verdicts(comparison: Comparison) -> list[str]:
    """Return a sentence for every combination: what its format alone keeps silent, and whether it diverged."""
    sentences: list[str] = []
    for i, (label, trace) in enumerate(zip(comparison.labels, comparison.traces, strict=True)):
        if trace.status == "failed":
            sentences.append(f"{label}: {trace.attributes.get('failure', 'the run failed')}.")
        if i == comparison.reference:
            continue
        silent = comparison.silent_by_format(i)
        if silent:
            layers = f"layer{'s' if len(silent) > 1 else ''} {spans(silent)}"
            verb = "are" if len(silent) > 1 else "is"
            sentences.append(
                f"{label}: {layers} {verb} silent only because of the format; the signal is there in "
                f"{comparison.labels[comparison.reference]}."
            )
        else:
            late = comparison.traces[comparison.reference].arrival_steps
            later = [int(j) for j in np.flatnonzero(trace.arrival_steps > late)]
            sentences.append(
                f"{label}: the signal reaches every layer that it reaches in the reference"
                + (f", but late in layer{'s' if len(later) > 1 else ''} {spans(later)}." if later else ", on time.")
            )
    return sentences


def _table(comparison: Comparison) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer", no_wrap=True)
    for label in comparison.labels:
        table.add_column(label.replace(" ", "\n"), justify="right", no_wrap=True)
    return table


def _percent(error: float) -> str:
    if error == 0:
        return "0"
    return f"{100 * error:.3g} %" if 1e-3 <= error < 100 else f"{error:.1e}"
