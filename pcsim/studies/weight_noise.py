"""How much noise on trained weights costs, after learning by loss or equilibrated energy (thesis, Fig. A.2)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pcsim.figures.axes import new_figure
from pcsim.landscape import stochastic_descent
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.one_unit import BACKPROP, PREDICTIVE, batches_of, chain_of
from pcsim.studies.parts import standard_error
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results
from pcsim.studies.rows import Measures

TOLERANCE = 1e-3
"""Loss at which training ends."""
VARIANCE = 0.5
"""Of the noise on each weight."""
DRAWS = 2000
METHODS = {"predictive coding": PREDICTIVE, "backpropagation": BACKPROP}


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless the network has one hidden unit, and trains on batches."""
    batches_of(scenario)


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Train every run by both, then draw noise on the weights; of one that is not learned in time nothing is known."""
    for runs, found in attempts.of(_noisy):
        yield {
            "seed": Measured(np.array([each.scenario.seed for each in runs]), ("run",), "of weights and noise"),
            "method": Measured(np.array(list(METHODS)), ("method",), "what was descended"),
            "updates": Measured(
                np.stack([each["updates"] for each in found]), ("run", "method"), f"updates to a loss of {TOLERANCE:g}"
            ),
            "noisy": Measured(
                np.stack([each["noisy"] for each in found]),
                ("run", "method"),
                f"mean squared error with noise of variance {VARIANCE:g} on the weights, mean over {DRAWS:,} draws",
                source="thesis, Fig. A.2",
            ),
            "curvature": Measured(
                np.stack([each["curvature"] for each in found]),
                ("run", "method"),
                "largest curvature, where training ends, of what was descended",
                source="thesis, Theorem A.2",
            ),
        }


def _noisy(each: Run, place: Place) -> Measures:
    learning = each.scenario.learning
    rate = 0.0 if learning is None else learning.largest_lr
    chains, (whole, start) = batches_of(each.scenario), chain_of(each.scenario)
    noise = np.sqrt(VARIANCE) * np.random.default_rng([each.scenario.seed, 7]).standard_normal((DRAWS, 2))
    rows: list[tuple[float, float, float]] = []
    for method in METHODS:
        by_energy = method == "predictive coding"
        path = stochastic_descent(
            lambda w, k, by_energy=by_energy: chains[k].energy_gradient(w) if by_energy else chains[k].loss_gradient(w),
            start,
            rate,
            len(chains),
        )
        there = np.flatnonzero(whole.loss(path.weights) < TOLERANCE)
        if not len(there):
            rows.append((np.nan, np.nan, np.nan))
            continue
        w = path.weights[there[0]]
        # At a minimum the Hessian of the energy is that of the loss over 1 + w₂² (Theorem A.2).
        curvature = float(np.linalg.eigvalsh(whole.loss_hessian(w))[-1])
        rows.append(
            (
                float(there[0]),
                2.0 * float(np.mean(whole.loss(w + noise))),
                curvature / float(whole.rescaling(w)) if by_energy else curvature,
            )
        )
    updates, noisy, curvature = np.array(rows).T
    return {"updates": updates, "noisy": noisy, "curvature": curvature}


def draw(results: Results) -> Any:
    """Draw mean squared errors with noise, a bar a method with its standard error, and a dot a run."""
    figure, (left, right) = new_figure((7.6, 3.9), 1, 2)
    for axes, name, words in (
        (left, "noisy", "mean squared error with noise on the weights"),
        (right, "curvature", "largest curvature of what was descended"),
    ):
        for i, (method, colour) in enumerate(METHODS.items()):
            values = _known(results, name, i)
            mean, error = (values.mean(), float(standard_error(values))) if len(values) else (0.0, 0.0)
            axes.bar(i, mean, yerr=error, color=colour, alpha=0.5, capsize=4)
            axes.plot(np.full(len(values), i), values, "o", color=colour, markersize=3, label=method)
        axes.set_xticks(range(len(METHODS)), list(METHODS))
        axes.set_ylabel(words)
        axes.grid(alpha=0.2, axis="y")
    return figure


def _known(results: Results, name: str, method: int) -> Any:
    values = results[name].values[:, method]
    return values[np.isfinite(values)]


def table(results: Results) -> list[dict[str, str]]:
    """Return means over the runs that were learned, ± their standard errors."""
    rows: list[dict[str, str]] = []
    for i, method in enumerate(results["method"].values.astype(str)):
        noisy, curvature, updates = (_known(results, name, i) for name in ("noisy", "curvature", "updates"))
        error = float(standard_error(noisy)) if len(noisy) else 0.0
        rows.append(
            {
                "descent on": method,
                "runs learned": f"{len(noisy)} of {len(results['noisy'].values)}",
                "median updates": f"{np.median(updates):.0f}" if len(updates) else "–",
                "squared error with noise": f"{noisy.mean():.3f} ± {error:.3f}" if len(noisy) else "–",
                "median largest curvature": f"{np.median(curvature):.3f}" if len(curvature) else "–",
            }
        )
    return rows
