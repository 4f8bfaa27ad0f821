"""The same training run for several seeds, and what came of it on average."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pcsim.errors import UsageError
from pcsim.experiment import Progress, run
from pcsim.scenario import Scenario
from pcsim.trace import Trace
from pcsim.training_summary import kept_row

MEASURES = ("test_accuracy", "test_loss", "train_accuracy", "train_loss")


def run_seeds(
    scenario: Scenario,
    *,
    path: str | Path,
    force: bool = False,
    progress: Progress | None = None,
    each: Callable[[Trace], None] | None = None,
) -> tuple[Path, ...]:
    """Run a scenario once for every seed in `learning.seeds`, and return where the traces are.

    The trace of seed 3 at `path` = `run.h5` is `run-seed3.h5`; `each` is called with every finished trace, which is
    closed afterwards. Raises what `run` raises, the traces of earlier seeds kept, and `UsageError` without seeds or for
    a trace that exists unless `force` allows to replace it, before anything is started.
    """
    if scenario.learning is None or scenario.learning.seeds is None:
        raise UsageError(
            f"{scenario.where('learning.seeds')}: no seeds are given; write seeds = [0, 1, 2] in [learning]"
        )
    wanted = Path(path)
    targets = {seed: wanted.with_name(f"{wanted.stem}-seed{seed}{wanted.suffix}") for seed in scenario.learning.seeds}
    for target in targets.values():
        if target.exists() and not force:
            raise UsageError(f"{target} exists; choose another name with -o, or replace it with --force")
    for seed, target in targets.items():
        with run(scenario.at_seed(seed), path=target, force=force, progress=progress) as trace:
            if each is not None:
                each(trace)
    return tuple(targets.values())


def averages(traces: list[dict[str, float]]) -> list[str]:
    """Return a line for every measure that all runs have: its mean and standard deviation (of a sample) over them."""
    lines: list[str] = []
    for name in MEASURES:
        values = np.array([found[name] for found in traces])
        if not np.isfinite(values).all():
            continue
        spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        mean, words = float(values.mean()), name.replace("_", " ").replace("train ", "training ")
        if name.endswith("accuracy"):
            lines.append(f"{words} {100 * mean:.2f} ± {100 * spread:.2f} % over {len(values)} seeds")
        else:
            lines.append(f"{words} {mean:.4g} ± {spread:.2g} over {len(values)} seeds")
    return lines


def last_measures(trace: Trace) -> dict[str, float]:
    """Return the measures of the epoch whose parameters a trace keeps."""
    row = kept_row(trace)
    return {name: float(trace.training[name][row]) for name in MEASURES}
