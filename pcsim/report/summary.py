"""What a finished run says about itself: one line a layer, and the layers no signal reached."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pcsim.report.equilibrium_report import search
from pcsim.report.findings import findings
from pcsim.report.tables import new_table, print_table
from pcsim.report.training_summary import left_out, training_headline, training_table
from pcsim.trace import Trace
from pcsim.trace.owner import may_be_written
from pcsim.typing import NDArray
from pcsim.words import count, duration, extent


def print_summary(trace: Trace, console: Console) -> None:
    """Print arrival and final energy of every layer, what no signal reached, and where the trace is."""
    # Lines are broken for eyes only: a program that reads them searches for whole sentences.
    say = partial(console.print, highlight=False, markup=False, emoji=False, soft_wrap=not console.is_terminal)
    attributes = trace.attributes
    title = str(attributes.get("title", ""))
    if title:
        say(title, style="bold")
    if "study" in attributes:
        _print_study(trace, console)
        return
    if trace.training:
        say(training_headline(trace))
        for line in left_out(trace):
            say(line)
        print_table(training_table(trace), console)
    if trace.rows or not trace.training:
        say(headline(trace))
    if trace.solver_work:
        say(work(trace.solver_work))
    if trace.equilibria:
        say(search(trace))
    if "arrival_step" in trace:
        print_table(layer_table(trace), console)
    # Of a run that diverged there is one thing to say, and its error says it.
    for sentence in findings(trace) if trace.status != "failed" else ():
        say(sentence, style="yellow")
    if trace.path is not None:
        console.print(f"trace: {trace.path}", highlight=False, markup=False, emoji=False, soft_wrap=True)


def _print_study(trace: Trace, console: Console) -> None:
    from pcsim.studies import results_of, rows_of

    rows = rows_of(str(trace.attributes["study"]), results_of(trace))
    headings = list(dict.fromkeys(heading for row in rows for heading in row))
    table = new_table(*headings)
    for row in rows:
        table.add_row(*(Text(row.get(heading, "")) for heading in headings))
    seconds = duration(float(trace.attributes["study_seconds"]))
    console.print(f"study {trace.attributes['study']} in {seconds}", highlight=False, markup=False)
    print_table(table, console)
    if trace.path is not None:
        console.print(f"trace: {trace.path}", highlight=False, markup=False, emoji=False, soft_wrap=True)


def no_rows(trace: Trace) -> str:
    """Return why a trace without rows of inference has none."""
    if trace.status == "running" and not may_be_written(trace.attributes):
        return "its run was killed before its first row, and nothing was lost; run it again with --force"
    if trace.status == "running":
        return "holds no rows yet; wait for the run to record some"
    return f"holds no rows of inference: its run ended before it (status {trace.status})"


def headline(trace: Trace) -> str:
    """Return method, backend, precision, steps and seconds in one line; of a flow solver and time instead."""
    attributes = trace.attributes
    batch = len(trace.data["x"])
    seconds = float(attributes.get("inference_seconds", 0.0))
    flows = trace.clock == "time"
    kind = "flow" if flows else "inference"
    solver = f"{solver_words(attributes)}, " if flows else ""
    far = (
        f"to time {trace.last_clock:g}"
        if flows
        else count(int(attributes.get("steps_taken", trace.last_clock)), "step")
    )
    chosen = "" if flows or "step_size" not in attributes else f", step size {attributes['step_size']:g} (auto)"
    form = f"{attributes['form']} form, " if "form" in attributes else ""
    return (
        f"{attributes['method']} {kind}, {form}{solver}{attributes['precision']} on {attributes['backend']}, "
        f"batch {batch}, {far} in {duration(seconds)}{chosen}" + (" (converged)" if attributes.get("converged") else "")
    )


def solver_words(attributes: Mapping[str, Any]) -> str:
    """Return how a flow is solved, from its trace's attributes: `dopri8, rtol 1e-06, atol 1e-09`."""
    names = {"step_size": "step size", "rtol": "rtol", "atol": "atol", "noise": "noise"}
    values = [f"{word} {attributes[name]:g}" for name, word in names.items() if name in attributes]
    return ", ".join([str(attributes["solver"]), *values])


def work(counts: Mapping[str, NDArray[np.int64]]) -> str:
    """Return what a solver did, as a range over the samples: `33 to 41 solver steps a sample, 2 rejected, …`."""
    steps, rejected, evaluations = (extent(counts[name]) for name in ("steps", "rejected", "evaluations"))
    return f"{steps} solver steps a sample, {rejected} rejected, {evaluations} field evaluations"


def arrival_words(trace: Trace) -> list[str]:
    """Return the step, or the time in continuous time, at which a signal was first seen in each layer, or `never`."""
    if "arrival_step" not in trace:  # it failed before it had begun
        return ["–"] * len(trace.layer_names)
    if trace.clock == "time":
        return ["never" if np.isnan(time) else f"{time:.4g}" for time in trace.arrival_times]
    return ["never" if step < 0 else str(step) for step in trace.arrival_steps]


def layer_table(trace: Trace) -> Table:
    """Return a table of the layers, input to output: units, arrival step or time, final energy."""
    table = new_table("layer", "units", f"arrival {trace.clock}", "final energy")
    energy = trace.energy if "energy" in trace and trace.rows else None
    arrivals = arrival_words(trace)
    for i, name in enumerate(trace.layer_names):
        table.add_row(
            name,
            str(trace.layer_widths[i]),
            arrivals[i],
            "not recorded" if energy is None else f"{energy[-1, i]:.4g}",
            style="yellow" if arrivals[i] == "never" else None,
        )
    return table
