"""`pcsim learn`: the local weight update of a trace's states and errors."""

from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.table import Table

from pcsim.cli.options import allow_option, output_option, overrides_option
from pcsim.cli.terminal import PrintableConsole, echo
from pcsim.recorded.local_update import WORDS, LocalUpdate, learn_from
from pcsim.report.tables import new_table, print_table
from pcsim.scenario import LearningTable
from pcsim.scenario.toml_text import toml_value
from pcsim.trace import open_trace
from pcsim.weights import check_weights_target
from pcsim.words import count, layers


@click.command("learn", short_help="Compute the local weight update of a trace's final states and errors.")
@click.argument("trace", type=click.Path(path_type=Path))
@output_option("Weights file to write, .npz or .safetensors.")
@overrides_option("Override how to learn, e.g. --set learning.lr=0.01; may be repeated.")
@allow_option
@click.option("--force", is_flag=True, help="Replace an existing file.")
def command(trace: Path, output: Path | None, overrides: tuple[str, ...], allow: tuple[str, ...], force: bool) -> None:
    """Compute the weight update of TRACE from its final states and errors, whatever program wrote them."""
    if output is not None:
        check_weights_target(output, force)
    with open_trace(trace) as opened:
        update = learn_from(opened, overrides, allow=allow)
    if output is not None:
        update.write(output, force=force)
    console = PrintableConsole()
    console.print(f"{trace}: {count(update.samples, 'sample')}, {update.precision}", soft_wrap=True)
    console.print(f"one update by {learning_words(update.learning)}{_whose(update)}", soft_wrap=True)
    print_table(update_table(update), console)
    if update.silent:
        their = "its error is" if len(update.silent) == 1 else "their errors are"
        told = f"{layers(update.silent)} would not learn: {their} exactly zero."
        console.print(told[0].upper() + told[1:], soft_wrap=True)
    if output is not None:
        echo(f"weights: {output}")


def learning_words(table: LearningTable) -> str:
    """Return how an update is made: `adam, lr 0.001, clip 1`; what is as without the word is left out."""
    usual = LearningTable()
    changed = [word for word in WORDS[2:] if getattr(table, word) != getattr(usual, word)]
    words = [f"{word.replace('_', ' ')} {_shown(getattr(table, word))}" for word in changed]
    rates = table.lr if isinstance(table.lr, tuple) else (table.lr,)
    return ", ".join([table.optimizer, f"lr {' '.join(f'{rate:g}' for rate in rates)}", *words])


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else toml_value(value)


def _whose(update: LocalUpdate) -> str:
    return "" if update.has_own_words else " (the scenario has no [learning]; --set learning.lr, learning.optimizer, …)"


def update_table(update: LocalUpdate) -> Table:
    """Return a table of the layers: norm of the gradient, size of the update against that of the weights."""
    table = new_table("layer", "gradient norm", "update / weights")
    for i, name in enumerate(update.layer_names):
        style = "yellow" if i in update.silent else None
        ratio = update.update_ratios[i]
        moved = "–" if np.isnan(ratio) else f"{ratio:.3g}"
        table.add_row(name, f"{update.gradient_norms[i]:.4g}", moved, style=style)
    return table
