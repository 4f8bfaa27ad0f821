"""`pcsim eval`: how good a trained network is on the data of its scenario."""

from pathlib import Path

import click
from rich.table import Table

from pcsim.cli.options import allow_option, note, overrides_option
from pcsim.cli.terminal import PrintableConsole
from pcsim.recorded.evaluation import Score, Scores, evaluate
from pcsim.report.tables import new_table, print_table


@click.command("eval", short_help="Evaluate a trained network on its data.")
@click.argument("weights", type=click.Path(path_type=Path))
@click.option("--scenario", metavar="SCENARIO", help="The scenario, in place of the one that WEIGHTS holds.")
@click.option("--backend", metavar="NAME", help="Backend to evaluate on; pcsim backends lists them.")
@click.option("--precision", metavar="NAME", help="float32, float64; on jax also bfloat16.")
@overrides_option("Override a key of the scenario, e.g. --set data.file=other.npz; may be repeated.")
@allow_option
def command(
    weights: Path,
    scenario: str | None,
    backend: str | None,
    precision: str | None,
    overrides: tuple[str, ...],
    allow: tuple[str, ...],
) -> None:
    """Print loss and accuracy of WEIGHTS, a weights file or a trace, on training, validation and test samples."""
    scores = evaluate(
        weights, overrides, scenario=scenario, backend=backend, precision=precision, allow=allow, tell=note
    )
    for line in scores.scenario.notes:
        note(line)
    place = scores.scenario.backend
    console = PrintableConsole()
    console.print(f"{scores.source}, {place.precision_name} on {place.name}", soft_wrap=True)
    print_table(score_table(scores), console)


def score_table(scores: Scores) -> Table:
    """Return a table with a row for every part of the data; accuracies only where there are any."""
    parts = {"training": scores.training, "validation": scores.validation, "test": scores.test}
    rows = [[name, *_cells(score)] for name, score in parts.items() if score is not None]
    columns = [title for i, title in enumerate(("data", "samples", "loss", "accuracy", "top-5")) if rows[0][i]]
    table = new_table(*columns)
    for row in rows:
        table.add_row(*row[: len(columns)])
    return table


def _cells(score: Score) -> list[str]:
    shares = ("" if share is None else f"{100 * share:.1f} %" for share in (score.accuracy, score.top_5))
    return [f"{score.samples:,}", f"{score.loss:.4g}", *shares]
