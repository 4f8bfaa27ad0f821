"""Scores of an evaluation as a table."""

from rich.table import Table

from pcsim.recorded.evaluation import Score, Scores
from pcsim.report.tables import new_table


def score_table(scores: Scores) -> Table:
    """Return a table with a row for every part of the data; accuracies only where there are any."""
    rows = [[name, *_cells(score)] for name, score in scores.parts.items()]
    columns = [title for i, title in enumerate(("data", "samples", "loss", "accuracy", "top-5")) if rows[0][i]]
    table = new_table(*columns)
    for row in rows:
        table.add_row(*row[: len(columns)])
    return table


def confusion_table(score: Score) -> Table | None:
    """Return a table with a row for every class and a column for what it was taken for; None without classes."""
    found = score.confusion
    if found is None:
        return None
    table = new_table("class", *map(str, range(len(found))))
    for label, row in enumerate(found.tolist()):
        table.add_row(str(label), *(str(count) if count else "·" for count in row))
    return table


def _cells(score: Score) -> list[str]:
    shares = ("" if share is None else f"{100 * share:.1f} %" for share in (score.accuracy, score.top_5))
    return [f"{score.samples:,}", f"{score.loss:.4g}", *shares]
