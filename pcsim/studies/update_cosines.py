"""The cosine of updates to the way to the nearest optimum, over the first batches of training (thesis, Fig. 3.2)."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64

from pcsim.errors import UsageError
from pcsim.figures.axes import new_figure
from pcsim.landscape import Chain, nearest_optimum
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.one_unit import BACKPROP, OTHER, PREDICTIVE, batches_of, chain_of
from pcsim.studies.parts import standard_error
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results
from pcsim.studies.rows import Measures
from pcsim.typing import NDArray

BATCHES = 5
DAMPING = 2.0
"""λ of the trust-region Newton step −(∇²L + λ I)⁻¹ ∇L."""
Weights = Float64[NDArray[np.float64], "2"]


def _newton(chain: Chain, w: Weights) -> Weights:
    step: Any = np.linalg.solve(chain.loss_hessian(w) + DAMPING * np.eye(2), -chain.loss_gradient(w))
    return step


STEPS: dict[str, tuple[Callable[[Chain, Weights], Weights], str]] = {
    "predictive coding": (lambda chain, w: -chain.energy_gradient(w), PREDICTIVE),
    "backpropagation": (lambda chain, w: -chain.loss_gradient(w), BACKPROP),
    "trust-region Newton": (_newton, OTHER),
}


def require_of_each(each: Run) -> None:
    """Raise `UsageError` unless a run trains one hidden unit for some batches."""
    if len(batches_of(each.scenario)) < BATCHES:
        raise UsageError(f"the study is of the first {BATCHES} batches, and training has fewer; use more samples")


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Follow every kind of update from a run's weights, each on a path of its own."""
    for runs, found in attempts.of(_cosines):
        yield {
            "seed": Measured(np.array([each.scenario.seed for each in runs]), ("run",), "of weights and batches"),
            "step": Measured(np.array(list(STEPS)), ("kind",), "what the update is of"),
            "cosine": Measured(
                np.stack([each["cosine"] for each in found]),
                ("run", "kind", "batch"),
                "cosine between the update and the way to the nearest optimum of the batch",
                source="thesis, eq. A.1",
            ),
        }


def _cosines(each: Run, place: Place) -> Measures:
    require_of_each(each)
    learning = each.scenario.learning
    rate = 0.0 if learning is None else learning.largest_lr
    chains, (_, start) = batches_of(each.scenario)[:BATCHES], chain_of(each.scenario)
    found = np.empty((len(STEPS), BATCHES))
    for i, (step_of, _) in enumerate(STEPS.values()):
        w = start
        for batch, chain in enumerate(chains):
            step, best = step_of(chain, w), nearest_optimum(w, chain.best_product) - w
            found[i, batch] = step @ best / (np.linalg.norm(step) * np.linalg.norm(best))
            w = w + rate * step
    return {"cosine": found}


def draw(results: Results) -> Any:
    """Draw mean cosines over the batches, with the standard error over the runs."""
    figure, axes = new_figure((5.6, 4.0))
    batches = np.arange(1, results["cosine"].values.shape[2] + 1)
    for name, (mean, error) in _means(results).items():
        colour = STEPS[name][1]
        axes.plot(batches, mean, color=colour, marker="o", markersize=3, label=name)
        axes.fill_between(batches, mean - error, mean + error, color=colour, alpha=0.2, linewidth=0)
    axes.set_xticks(batches)
    axes.set_xlabel("batch of training")
    axes.set_ylabel("cosine to the way to the nearest optimum")
    axes.grid(alpha=0.2)
    axes.legend(fontsize=8, frameon=False)
    return figure


def _means(results: Results) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return mean and standard error over the runs by batch, for every kind of update."""
    cosine = results["cosine"].values
    error = standard_error(cosine)
    names = results["step"].values.astype(str).tolist()
    return {name: (cosine[:, i].mean(axis=0), error[i]) for i, name in enumerate(names)}


def table(results: Results) -> list[dict[str, str]]:
    """Return mean cosines ± their standard errors, a row a kind of update and a column a batch."""
    return [
        {"update": name} | {f"batch {k + 1}": f"{mean[k]:.3f} ± {error[k]:.3f}" for k in range(len(mean))}
        for name, (mean, error) in _means(results).items()
    ]


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless the network has one hidden unit, and training batches."""
    batches_of(scenario)
