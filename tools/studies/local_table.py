"""The tables of the bench of local methods."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import t as student

from tools.studies.local_methods import (
    BACKPROPAGATION,
    DATA,
    NETWORKS,
    SEEDS,
    Cell,
    chosen,
    methods_of,
)
from tools.studies.local_runs import LocalRun
from tools.studies.pages import table
from tools.studies.trials import spread

CONFIDENCE = 0.95
HEADER = (
    "",
    "accuracy",
    "difference to backpropagation",
    "cosine to backpropagation: lowest, median",
    "cosine to the equilibrium: lowest, median",
    "layers without signal",
    "steps, step size",
    "million multiplications",
    "processor seconds",
    "MB",
)
Found = Mapping[str, LocalRun]


def page(found: Found) -> str:
    """Return the whole page."""
    parts = [
        "# Local methods on one bench: measured figures\n\nWritten by `tools/pages/make_methods_page.py` from "
        "`methods-runs.jsonl`, which has a line for every run; [methods.md](methods.md) says what the methods are.\n\n"
        "One epoch (937 updates), chains of width 128, a residual and a convolutional network, tanh, orthogonal "
        "weights, cross-entropy (squared error where a row says so), batch 64, Adam 1e-4, float32 on JAX. **Equal "
        "budget**: an update of every method but backpropagation may take as many multiplications with weights (of "
        "each sample) as "
        + ", ".join(f"{each.steps} steps of state optimization ({each.name})" for each in NETWORKS)
        + "; the search for equilibria may stop earlier. **Step sizes** are the best of those tried, two to four for "
        "each method and network, by the accuracy on 1,280 held-out samples of MNIST after 180 updates of another "
        "seed; with a star where the best is the largest or smallest of them. Accuracies are on the test samples, mean "
        "± standard deviation over seeds "
        + ", ".join(map(str, SEEDS))
        + "; differences are paired by seed, with a confidence interval of "
        f"{CONFIDENCE:.0%} (Student's t). **Cosines** are those of the weight gradients after training, on the first "
        "batch, to backpropagation's and to those at the exact equilibrium (residual 1e-8, float64): mean over seeds "
        "of the lowest and of the median layer, layers of zeros left out; of the equilibrium over the seeds in which "
        "it was found for every sample of the batch, – where that was none. Layers without signal are those whose "
        "errors were zero in the whole epoch. Seconds include compilation, on a machine that others shared.\n\n"
        "![Test error by depth, and cosines](figures/methods.png)\n\n"
        f"Cosines by layer (MNIST, seed {SEEDS[0]}), from input to output, of networks whose runs kept them; grey is "
        "a layer of zeros, a row without cells one that has none:\n\n"
        "![Cosines to backpropagation and to the equilibrium by layer](figures/methods-by-layer.png)\n"
    ]
    for network in NETWORKS:
        for data in DATA:
            lines = [_line(Cell(method, network, data), found) for method in methods_of(network)]
            parts.append(f"\n## {data}, {network.name}\n\n{table(HEADER, lines)}")
    machines = sorted({f"{run.machine}, {run.versions}, {run.date}" for run in found.values()})
    parts.append("\n## Machine\n\n" + "".join(f"- {words}\n" for words in machines or ["none yet"]))
    return "".join(parts)


def results(cell: Cell, found: Found) -> tuple[float | None, dict[int, LocalRun]]:
    """Return the step size of a cell, None where it has none or it is not known, and its finished runs by seed."""
    validated = {digest: run.validation for digest, run in found.items()}
    step_size, missing = chosen(cell, validated)
    if missing:
        return None, {}
    runs = [(run.seed, found[digest]) for run in cell.runs(step_size) if (digest := run.digest()) in found]
    return step_size, dict(runs)


def accuracies(runs: Mapping[int, LocalRun]) -> dict[int, float]:
    """Return test accuracies in per cent by seed, without runs that diverged."""
    return {seed: 100 * run.accuracy for seed, run in runs.items() if run.accuracy is not None}


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """Return mean and half the width of the confidence interval of a mean of normal variables, infinite for one."""
    mean = float(np.mean(differences))
    if len(differences) < 2:
        return mean, float("inf")
    error = float(np.std(differences, ddof=1)) / len(differences) ** 0.5
    return mean, float(student.ppf(0.5 + CONFIDENCE / 2, len(differences) - 1)) * error


def _line(cell: Cell, found: Found) -> list[str]:
    step_size, runs = results(cell, found)
    steps = "–" if not cell.steps else f"{cell.steps}" + ("" if step_size is None else f", {_starred(cell, step_size)}")
    work = f"{1e-6 * cell.work:.1f}"
    if not runs:
        return [cell.method.name, "not measured", "–", "–", "–", "–", steps, work, "–", "–"]
    right = accuracies(runs)
    diverged = len(runs) - len(right)
    counted = "" if len(runs) == len(SEEDS) else f" ({len(runs)} of {len(SEEDS)} seeds)"
    return [
        cell.method.name,
        (spread(list(right.values())) if right else "") + (f" {diverged} diverged" if diverged else "") + counted,
        "–" if cell.method is BACKPROPAGATION else _difference(right, cell, found),
        _cosines([(run.lowest_to_backprop, run.median_to_backprop) for run in runs.values()]),
        _cosines([(run.lowest_to_equilibrium, run.median_to_equilibrium) for run in runs.values()]),
        str(max(run.silent for run in runs.values())),
        steps,
        work,
        f"{np.median([run.seconds for run in runs.values()]):.0f}",
        f"{max(run.megabytes for run in runs.values()):.0f}",
    ]


def _starred(cell: Cell, step_size: float) -> str:
    """Return a step size, with a star where no larger or no smaller one was tried."""
    sizes = cell.method.step_sizes
    return f"{step_size:g}" + ("*" if step_size in (min(sizes), max(sizes)) else "")


def _difference(right: Mapping[int, float], cell: Cell, found: Found) -> str:
    reference = accuracies(results(Cell(BACKPROPAGATION, cell.network, cell.data), found)[1])
    pairs = [right[seed] - reference[seed] for seed in right if seed in reference]
    if not pairs:
        return "–"
    mean, half = interval(pairs)
    words = f"{mean:+.2f}" + (f" ± {half:.2f}" if np.isfinite(half) else "")
    return f"**{words}**" if abs(mean) > half else words


def _cosines(pairs: Sequence[tuple[float | None, float | None]]) -> str:
    known = [(lowest, median) for lowest, median in pairs if lowest is not None and median is not None]
    if not known:
        return "–"
    lowest, median = np.mean(known, axis=0)
    counted = "" if len(known) == len(pairs) else f" ({len(known)} of {len(pairs)} seeds)"
    return f"{lowest:.3f}, {median:.3f}{counted}"
