"""Replaying a trace in the terminal: bars of layerwise energy that move over the recorded steps."""

import math
import time

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pcsim.errors import UsageError
from pcsim.recorded import require_run
from pcsim.report.summary import no_rows
from pcsim.report.tables import new_table, print_table
from pcsim.trace import Trace
from pcsim.typing import NDArray

SECONDS = 6.0
"""How long a replay takes at speed 1."""
FRAMES_PER_SECOND = 20
COLUMNS = 8


def replay(trace: Trace, console: Console, speed: float = 1.0) -> None:
    """Play the energies of a trace: animated in a terminal, as a table of selected steps elsewhere.

    Raises `UsageError` for a trace that recorded no energies.
    """
    require_run(trace)
    energy = trace.energy
    if len(energy) == 0:
        raise UsageError(f"{trace.path}: {no_rows(trace)}")
    if not console.is_terminal:
        print_table(energy_table(trace, energy), console)
        return
    frames = max(1, min(len(energy), round(SECONDS * FRAMES_PER_SECOND / speed)))
    with Live(console=console, auto_refresh=False) as live:
        for row in np.unique(spaced_rows(len(energy), frames)):
            live.update(energy_bars(trace, energy, int(row), *console.size), refresh=True)
            time.sleep(1 / FRAMES_PER_SECOND)


def spaced_rows(rows: int, count: int) -> NDArray[np.int64]:
    """Return about `count` row numbers from the first to the last, evenly spaced in the logarithm."""
    return np.unique(np.rint(np.geomspace(1, rows, num=count)).astype(np.int64) - 1)


def energy_table(trace: Trace, energy: NDArray[np.float64]) -> Table:
    """Return energies by layer at a few log-spaced steps."""
    chosen = np.unique(np.append(spaced_rows(len(energy), COLUMNS - 1), len(energy) - 1))
    table = new_table("layer", *(f"{trace.clock} {trace.steps[row]:g}" for row in chosen))
    for i, name in enumerate(trace.layer_names):
        table.add_row(name, *(f"{energy[row, i]:.1e}" if energy[row, i] else "0" for row in chosen))
    return table


def energy_bars(trace: Trace, energy: NDArray[np.float64], row: int, width: int, height: int) -> Table:
    """Return one frame: a bar a layer, as long as the logarithm of its energy within the trace's range.

    Of more layers than the terminal has lines for, evenly spaced ones are shown, the first and the last among them.
    """
    positive = energy[np.isfinite(energy) & (energy > 0)]
    low, high = (float(np.log10(positive.min())), float(np.log10(positive.max()))) if positive.size else (0.0, 1.0)
    table = Table(
        box=None,
        pad_edge=False,
        title=f"{trace.clock} {trace.steps[row]:g} of {trace.steps[-1]:g}   "
        f"bars: log energy from 1e{low:.0f} to 1e{high:.0f}",
        title_justify="left",
    )
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    space = max(10, width - 28)
    layers = len(trace.layer_names)
    for i in np.unique(np.linspace(0, layers - 1, min(layers, max(2, height - 4))).astype(int)):
        name, value = trace.layer_names[i], float(energy[row, i])
        if value == 0:
            table.add_row(name, "no signal", "")
        elif not math.isfinite(value):
            table.add_row(name, f"{value}", Text("not finite", style="red"))
        else:
            share = (math.log10(value) - low) / (high - low) if high > low else 1.0
            bar = "█" * max(1, round(space * share))
            table.add_row(name, f"{value:.1e}", Text(bar, style="cyan"))
    return table
