"""Tables of test accuracies over seeds, the published ones beside ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tools.data.make_dense_scenarios import TUNED
from tools.data.published import Accuracy, accuracies, dense_rows
from tools.studies.finished import Finished, Planned
from tools.studies.pages import table
from tools.studies.trials import spread

SEEDS, FEWER = (0, 1, 2, 3, 4), (0, 1, 2)
HEADER = (
    "",
    "published",
    "ours",
    "seeds",
    "difference",
    "lowest cosine to backpropagation",
    "processor minutes a run",
    "measured",
)


@dataclass(frozen=True)
class Row:
    """A line of a table: a scenario with overrides, for several seeds."""

    name: str
    seeds: tuple[int, ...]
    overrides: tuple[str, ...] = ()

    @property
    def runs(self) -> tuple[Planned, ...]:
        """The runs that it is the mean of."""
        return tuple(Planned(self.name, seed, self.overrides) for seed in self.seeds)


@dataclass(frozen=True)
class Group:
    """A table: its title, what to know of it, its lines."""

    title: str
    text: str
    rows: tuple[Row, ...]


def _published(data: str, deep: bool) -> tuple[Row, ...]:
    rows = [row for row in dense_rows() if (row.data, row.deep) == (data, deep)]
    return tuple(Row(row.scenario, FEWER if deep and row.method == "so" else SEEDS) for row in rows)


LONG = ("inference.steps=64", "inference.step_size=0.02", "learning.epochs=10")
GROUPS = (
    Group(
        "MNIST, 4 layers",
        "Published: Table 1, on EMNIST's split of MNIST; ours on MNIST's own.",
        _published("mnist", False),
    ),
    Group("Fashion-MNIST, 4 layers", "Published: Table 1.", _published("fashion", False)),
    Group(
        "MNIST, 20 layers",
        "Published: Table D.1, on EMNIST's split of MNIST; ours on MNIST's own.",
        _published("mnist", True),
    ),
    Group("Fashion-MNIST, 20 layers", "Published: Table D.1.", _published("fashion", True)),
    Group(
        "Error optimization with a step size that stays stable: MNIST, 20 layers, cross-entropy",
        "The values of Table D.2 but for λ: with its 0.001 training collapses in the last epochs, see results.md.",
        (Row("train-deep-mnist-eo-ce", FEWER, ("inference.step_size=0.0003",)),),
    ),
    Group(
        "This project's own settings",
        "Beside the published accuracy of the same network, data and method, with the paper's settings.",
        tuple(Row(f"{name}-tuned", FEWER) for name in TUNED),
    ),
    Group(
        "VGG-5 at a quarter of its width on Fashion-MNIST, 5 epochs",
        "This project's own: nothing is published of it. Backpropagation and SO have the values of Table D.12 for "
        "CIFAR-10; EO has the decay of backpropagation, decoupled, and with squared error its rate, too.",
        tuple(
            Row(f"train-fashion-vgg5-{method}-{loss}", FEWER) for loss in ("mse", "ce") for method in ("bp", "eo", "so")
        ),
    ),
    Group(
        "Error optimization that is not backpropagation in disguise",
        "Cross-entropy, 10 epochs: λT = 0.004, λT = 1.28, and backpropagation.",
        tuple(
            Row(name, SEEDS, overrides)
            for name, overrides in (
                ("train-mnist-eo-ce", LONG[2:]),
                ("train-mnist-eo-ce", LONG),
                ("train-mnist-bp-ce", LONG[2:]),
            )
        ),
    ),
)


def page(finished: Mapping[str, Finished]) -> str:
    """Return the whole page."""
    published = accuracies()
    parts = [
        "# Training results: measured figures\n\nWritten by `tools/pages/make_results_page.py` from "
        "`results-runs.jsonl`, which has a line for every run. Test accuracy after the last epoch in per cent, mean ± "
        "standard deviation over seeds; published are those of Goemaere et al. (2025), over 5 seeds. A difference in "
        "bold is larger than either deviation.\n"
    ]
    for group in GROUPS:
        lines = [_line(row, finished, published.get(row.name.removesuffix("-tuned"))) for row in group.rows]
        parts.append(f"\n## {group.title}\n\n{group.text}\n\n{table(HEADER, lines)}")
    wanted = [
        finished[run.digest()] for group in GROUPS for row in group.rows for run in row.runs if run.digest() in finished
    ]
    machines = sorted({f"{run.machine}, {run.versions}" for run in wanted})
    parts.append("\n## Machine\n\n" + "".join(f"- {words}\n" for words in machines or ["none yet"]))
    return "".join(parts)


def _line(row: Row, finished: Mapping[str, Finished], published: Accuracy | None) -> list[str]:
    words = ", ".join((f"`{row.name}`", *row.overrides))
    known = None if row.overrides else published
    there = "–" if known is None else f"{known.mean:.2f} ± {known.deviation:.2f}"
    runs = [finished[digest] for run in row.runs if (digest := run.digest()) in finished]
    if not runs:
        return [words, there, "not measured", "–", "–", "–", "–", "–"]
    found = [100 * run.accuracy for run in runs if run.accuracy is not None]
    diverged = f" ({len(runs) - len(found)} diverged)" if len(found) < len(runs) else ""
    cosines = [run.lowest_cosine for run in runs if run.lowest_cosine is not None]
    seconds = [run.seconds for run in runs if run.seconds is not None]
    minutes = f"{float(np.median(seconds)) / 60:.1f}, " if seconds else ""
    return [
        words,
        there,
        (spread(found) if found else "diverged") + (diverged if found else ""),
        str(len(runs)),
        "–" if known is None or not found else _difference(found, known),
        f"{min(cosines):.4f}" if cosines else "–",
        f"{minutes}{runs[0].backend}",
        max(run.date for run in runs),
    ]


def _difference(found: Sequence[float], published: Accuracy) -> str:
    difference = float(np.mean(found)) - published.mean
    ours = float(np.std(found, ddof=1)) if len(found) > 1 else 0.0
    words = f"{difference:+.2f}"
    return f"**{words}**" if len(found) > 1 and abs(difference) > max(ours, published.deviation) else words
