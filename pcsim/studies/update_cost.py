"""Matrix products and memory of an update (Alonso et al. 2024, Tables 3 to 5)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pcsim.assemble import build_learner, build_network
from pcsim.engine.host import host_namespace
from pcsim.errors import UsageError
from pcsim.figures.axes import as_text, new_figure
from pcsim.learning import Learner, fresh
from pcsim.model.network import Network
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.parts import OKABE_ITO, inputs_of
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results
from pcsim.studies.rows import Measures

WORDS = {
    "products": "products with a layer's weights in an update of the batch, as the paper counts them",
    "multiplications": "multiplications in these products, for each sample",
    "parameters": "numbers that are learned",
    "remembered": "numbers that the optimiser remembers",
}


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless runs train."""
    if any(each.scenario.learning is None for each in runs):
        raise UsageError(f"{scenario.where('study')}: the study update-cost needs runs that train; add [learning]")


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Count what an update of every run takes; nothing is trained."""
    for runs, found in attempts.of(_cost):
        labels = np.array([each.label() for each in runs])
        yield {"variant": Measured(labels, ("run",), "values of the run's own")} | {
            name: Measured(
                np.array([int(each[name]) for each in found]),
                ("run",),
                meaning,
                source="Alonso et al. 2024, Tables 3 to 5",
            )
            for name, meaning in WORDS.items()
        }


def _cost(each: Run, place: Place) -> Measures:
    network = build_network(each.scenario)
    learner, parameters = build_learner(each.scenario, network), inputs_of(each.scenario).parameters
    memory = fresh(host_namespace(), learner, parameters)
    learned = [own[name].size for own, named in zip(parameters, network.parameters, strict=True) for name in named]
    remembered = [array.size for own in memory for arrays in own.values() for array in arrays]
    counts = (*products(network, learner), sum(learned), sum(remembered))
    return dict(zip(WORDS, counts, strict=True))


def products(network: Network, learner: Learner) -> tuple[int, int]:
    """Return the products of an update with the weights of L layers, and its multiplications for each sample.

    Backpropagation takes L forward, L − 1 back and L for the gradient; a step of inference 2 L − 1, and every
    update of the weights L. The first layer's product back is the one that is left out: nothing learns from it. Errors
    against the feedforward pass take this once more, two phases the predictions and the gradient of the first. Updates
    after every step take L − 1 more each, for predictions at the states reached (Table 5 has them at those before).
    Top-down predictions take as many products as the others: it is the last layer's that is not pulled back.
    """
    layers, whole = len(network.layers), network.multiplications
    first = sum(part.multiplications for part in network.layers[0].parts)
    if (last := next(reversed(network.top_down), None)) is not None:
        steps, first = learner.steps, first + sum(part.multiplications for part in last.chain.parts)
        return 2 * (steps * (2 * layers - 1) + layers), steps * (2 * whole - first) + whole
    if learner.inference.traits.backpropagates:
        return 3 * layers - 1, 3 * whole - first
    steps, updates = learner.steps, learner.steps if learner.updates_every_step else 1
    more = updates + int(learner.recalls_forward_pass) + 2 * int(learner.inference.traits.has_phases)
    # A step's products, and those of predictions after it: with new weights the first layer's are taken once in both.
    twice = updates if learner.updates_every_step else 0
    return (
        steps * (2 * layers - 1) + more * layers + twice * (layers - 1),
        steps * (2 * whole - first) + more * whole + twice * (whole - first),
    )


def draw(results: Results) -> Any:
    """Draw multiplications, and numbers held beside the states, as bars."""
    labels = [as_text(label) for label in results["variant"].values]
    figure, panels = new_figure((10.5, 0.35 * len(labels) + 1.4), 1, 2, sharey=True)
    learned, remembered = (results[name].values for name in ("parameters", "remembered"))
    places = np.arange(len(labels))
    panels[0].barh(places, 1e-6 * results["multiplications"].values, color=OKABE_ITO[0])
    panels[0].set_xlabel("million multiplications of an update, for each sample")
    panels[1].barh(places, learned, color=OKABE_ITO[0], label="learned")
    panels[1].barh(places, remembered, left=learned, color=OKABE_ITO[1], label="remembered by the optimiser")
    panels[1].set_xlabel("numbers")
    panels[1].legend(fontsize=8, frameon=False)
    panels[0].set_yticks(places, labels, fontsize=8)
    panels[0].invert_yaxis()
    for axes in panels:
        axes.grid(alpha=0.2, axis="x")
    return figure


def table(results: Results) -> list[dict[str, str]]:
    """Return the counts of every run, memory in units of the parameters."""
    rows: list[dict[str, str]] = []
    for i, label in enumerate(results["variant"].values):
        counts = {name: int(results[name].values[i]) for name in WORDS}
        memory = (counts["parameters"] + counts["remembered"]) / counts["parameters"]
        rows.append(
            {
                "run": str(label),
                "matrix products": str(counts["products"]),
                "multiplications for each sample": f"{counts['multiplications']:,}",
                "memory": f"{memory:.3f} M",
            }
        )
    return rows
