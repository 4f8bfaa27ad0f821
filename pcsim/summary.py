"""What a finished run says about itself: one line a layer, and the layers no signal reached."""

from rich.console import Console
from rich.table import Table

from pcsim.findings import findings
from pcsim.trace import Trace


def print_summary(trace: Trace, console: Console) -> None:
    """Print arrival step and final energy of every layer, what no signal reached, and where the trace is."""
    attributes = trace.attributes
    title = str(attributes.get("title", ""))
    if title:
        console.print(title, style="bold", highlight=False)
    console.print(headline(trace), highlight=False)
    console.print(layer_table(trace))
    for sentence in findings(trace):
        console.print(sentence, highlight=False, style="yellow")
    if trace.path is not None:
        console.print(f"trace: {trace.path}", highlight=False, soft_wrap=True)


def headline(trace: Trace) -> str:
    """Return method, backend, precision, steps and time in one line."""
    attributes = trace.attributes
    batch = len(trace.data["x"])
    seconds = float(attributes.get("inference_seconds", 0.0))
    form = f"{attributes['form']} form, " if "form" in attributes else ""
    return (
        f"{attributes['method']} inference, {form}{attributes['precision']} on {attributes['backend']}, "
        f"batch {batch}, {attributes.get('steps_taken', trace.steps[-1])} steps in {duration(seconds)}"
        + (" (converged)" if attributes.get("converged") else "")
    )


def duration(seconds: float) -> str:
    """Return a time in words: `35 ms`, `2.1 s`, `1 h 2 min`."""
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def layer_table(trace: Trace) -> Table:
    """Return a table of the layers, input to output: units, arrival step, final energy."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("layer", "units", "arrival step", "final energy"):
        table.add_column(name, justify="left" if name == "layer" else "right")
    energy = trace.energy if "energy" in trace else None
    for i, name in enumerate(trace.layer_names):
        arrival = int(trace.arrival_steps[i])
        table.add_row(
            name,
            str(trace.layer_widths[i]),
            "never" if arrival < 0 else str(arrival),
            "not recorded" if energy is None else f"{energy[-1, i]:.4g}",
            style="yellow" if arrival < 0 else None,
        )
    return table
