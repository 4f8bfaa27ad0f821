"""What a finished run says about itself: one line a layer, and the layers no signal reached."""

from functools import partial

from rich.console import Console
from rich.measure import Measurement
from rich.segment import Segments
from rich.table import Table

from pcsim.findings import findings
from pcsim.trace import Trace


def print_summary(trace: Trace, console: Console) -> None:
    """Print arrival step and final energy of every layer, what no signal reached, and where the trace is."""
    # Lines are broken for eyes only: a program that reads them searches for whole sentences.
    say = partial(console.print, highlight=False, markup=False, emoji=False, soft_wrap=not console.is_terminal)
    attributes = trace.attributes
    title = str(attributes.get("title", ""))
    if title:
        say(title, style="bold")
    say(headline(trace))
    print_table(layer_table(trace), console)
    # Of a run that diverged there is one thing to say, and its error says it.
    for sentence in findings(trace) if trace.status != "failed" else ():
        say(sentence, style="yellow")
    if trace.path is not None:
        console.print(f"trace: {trace.path}", highlight=False, markup=False, emoji=False, soft_wrap=True)


def print_table(table: Table, console: Console) -> None:
    """Print a table with every digit, also where the terminal is too narrow for it or there is none."""
    needed = Measurement.get(console, console.options.update(max_width=10_000), table).maximum
    options = console.options.update(width=max(console.width, needed))
    console.print(Segments(console.render(table, options)), end="", soft_wrap=True)


def headline(trace: Trace) -> str:
    """Return method, backend, precision, steps and time in one line."""
    attributes = trace.attributes
    batch = len(trace.data["x"])
    seconds = float(attributes.get("inference_seconds", 0.0))
    steps = int(attributes.get("steps_taken", trace.steps[-1]))
    form = f"{attributes['form']} form, " if "form" in attributes else ""
    return (
        f"{attributes['method']} inference, {form}{attributes['precision']} on {attributes['backend']}, "
        f"batch {batch}, {count(steps, 'step')} in {duration(seconds)}"
        + (" (converged)" if attributes.get("converged") else "")
    )


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 step`, `2,000 steps`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


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
