"""Tables for the terminal: without lines, the first column to the left, numbers to the right."""

from rich.console import Console
from rich.measure import Measurement
from rich.segment import Segments
from rich.table import Table


def new_table(*headings: str) -> Table:
    """Return a table without rows."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="right" if i else "left", no_wrap=True)
    return table


def print_table(table: Table, console: Console) -> None:
    """Print a table with every digit, also where the terminal is too narrow for it or there is none."""
    needed = Measurement.get(console, console.options.update(max_width=10_000), table).maximum
    options = console.options.update(width=max(console.width, needed))
    console.print(Segments(console.render(table, options)), end="", soft_wrap=True)
