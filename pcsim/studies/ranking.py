"""Which run of a study is the best, and by which of its numbers."""

from collections.abc import Iterable, Mapping

from pcsim.studies.rows import Row

BY = ("validation_accuracy", "test_accuracy", "validation_loss", "test_loss", "train_loss", "final_energy")
"""Numbers that runs are ranked by, the first that there is."""


def ranked_by(outcomes: Iterable[Mapping[str, float]]) -> str | None:
    """Return the number that these runs are ranked by, None where they have none."""
    there = {name for outcome in outcomes for name in outcome}
    return next((name for name in BY if name in there), None)


def is_accuracy(name: str) -> bool:
    """Tell whether a number is a share, and more of it is better; of all others less is."""
    return name.endswith(("accuracy", "top5"))


def in_words(name: str, value: float, spread: float | None = None) -> str:
    """Return a number as it is shown, with its standard deviation where that is known: accuracies in per cent."""
    if is_accuracy(name):
        return f"{100 * value:.2f}{'' if spread is None else f' ± {100 * spread:.2f}'} %"
    return f"{value:.4g}{'' if spread is None else f' ± {spread:.2g}'}"


class Best:
    """The best run so far, in words."""

    def __init__(self) -> None:
        self._name: str | None = None
        self._value = 0.0
        self.words = ""

    def add(self, label: str, row: Row) -> None:
        """Hold a run that is over against the best so far."""
        name = ranked_by([row.outcome]) if self._name is None else self._name
        if name is None or row.failure or name not in row.outcome:
            return
        value = row.outcome[name]
        if self._name is None or (value > self._value if is_accuracy(name) else value < self._value):
            self._name, self._value = name, value
            self.words = f"best {name.replace('_', ' ')} {in_words(name, value)} ({label or 'the run'})"
