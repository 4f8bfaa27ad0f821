"""The proximal objective of the update that every step of inference would make (Alonso et al. 2024, Figs. 1 and 8)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float64

from pcsim.assemble import build_network, load_inputs, read_dataset
from pcsim.assemble.training_setup import TrainingSetup
from pcsim.engine.host import host_namespace
from pcsim.errors import UsageError
from pcsim.figures.axes import as_text, new_figure
from pcsim.landscape.proximal import dense_chain, trial_updates
from pcsim.learning.trainer import Snapshot
from pcsim.runs.simulation import prepare
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.parts import OKABE_ITO, deviation, mean_in_words, require_recorded, settle, without_learning
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results, padded
from pcsim.studies.rows import Measures
from pcsim.studies.trained import train_with
from pcsim.typing import NDArray

BETAS = (0.01, 0.1, 1.0, 10.0, 100.0)
"""The weights 1/2β of the size of the update, those of Fig. 8."""
_ONE_RATE = ("sgd", "mq")


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless all runs train, with one rate a layer, and record states at every step."""
    require_recorded(scenario, runs, "states")
    if any(each.scenario.learning is None or each.scenario.learning.optimizer not in _ONE_RATE for each in runs):
        raise UsageError(
            f"{scenario.where('study')}: the study proximal-objective needs runs that train with one rate a layer; "
            'use optimizer = "sgd" or "mq" in [learning]'
        )


def require_of_each(each: Run) -> None:
    """Raise `UsageError` for layers that are not dense ones in a chain, activations first."""
    dense_chain(build_network(each.scenario))


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Train in every run, infer on the batch with the weights that come of it, and try an update at every step."""
    for runs, found in attempts.of(_objectives):
        yield {
            "variant": Measured(np.array([each.label("seed", "steps") for each in runs]), ("run",), "the run's own"),
            "beta": Measured(np.array(BETAS), ("beta",), "β of the proximal objective"),
            "step": Measured(padded([each["step"] for each in found]), ("run", "row"), "inference step", "step"),
            "objective": Measured(
                padded([each["objective"] for each in found]),
                ("run", "row", "beta"),
                "L(θ + Δθ) + ‖Δθ‖²/2β of the update from each sample alone, mean over the samples",
                source="Alonso et al. 2024, Fig. 8",
            ),
            "loss": Measured(
                padded([each["loss"] for each in found]), ("run", "row"), "L(θ + Δθ), mean over the samples"
            ),
        }


def _objectives(each: Run, place: Place) -> Measures:
    simulation = prepare(each.scenario)
    snapshot, setup = train_with(simulation, simulation.trainer()), simulation.training
    if setup is None:
        raise UsageError("the run does not train; add [learning]")
    weights = tuple({name: np.asarray(a, dtype=np.float64) for name, a in own.items()} for own in snapshot.parameters)
    network, xp = simulation.network, host_namespace()
    inputs = load_inputs(each.scenario, network, read_dataset(each.scenario))
    chain, rates = dense_chain(network), _rates(setup, snapshot)
    loss = setup.task.learner.inference.energy.loss
    with settle(without_learning(each), replace(inputs, parameters=weights)) as trace:
        states = [trace.states(i).astype(np.float64) for i in range(len(chain) - 1)]
        steps = trace.steps.astype(np.float64)
    found = [
        trial_updates(xp, chain, loss, weights, rates, [inputs.x, *(state[row] for state in states)], inputs.y)
        for row in range(len(steps))
    ]
    losses, squares = (np.array([np.mean(part) for part in parts]) for parts in zip(*found, strict=True))
    return {"step": steps, "loss": losses, "objective": losses[:, None] + squares[:, None] / (2 * np.array(BETAS))}


def _rates(setup: TrainingSetup, snapshot: Snapshot) -> list[float]:
    """Return by layer what the next update multiplies gradients by: how far it moves weights along a slope of one."""
    xp, learner, number = host_namespace(), setup.task.learner, snapshot.updates + 1
    zeros = tuple({name: np.zeros(np.shape(a)) for name, a in own.items()} for own in snapshot.parameters)
    ones = tuple({name: np.ones(np.shape(a)) for name, a in own.items()} for own in snapshot.parameters)
    rate = setup.plan.schedule.rate(setup.updates, setup.updates)
    moved, _ = learner.follow(xp, zeros, ones, snapshot.memory, rate, number)
    return [-float(own["W"].flat[0]) for own in moved]


def draw(results: Results) -> Any:
    """Draw how the objective changes from the start of inference: a panel a β, a line a variant, means over seeds."""
    betas = results["beta"].values
    figure, panels = new_figure((2.7 * len(betas) + 1.2, 3.4), 1, len(betas), squeeze=False)
    for k, (axes, beta) in enumerate(zip(panels[0], betas, strict=True)):
        for i, (label, (step, objective)) in enumerate(_by_variant(results).items()):
            change = objective[..., k] - objective[:, :1, k]
            mean, spread, colour = change.mean(axis=0), deviation(change), OKABE_ITO[i % len(OKABE_ITO)]
            axes.plot(step, mean, color=colour, linewidth=1.3, marker="o", markersize=2.5, label=as_text(label))
            axes.fill_between(step, mean - spread, mean + spread, color=colour, alpha=0.15, linewidth=0)
        axes.axhline(0.0, color="0.5", linewidth=0.7)
        axes.set_title(f"β = {beta:g}", fontsize=9)
        axes.set_xlabel("inference step")
        axes.grid(alpha=0.2)
    panels[0][0].set_ylabel("proximal objective, change from the start")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _by_variant(
    results: Results,
) -> dict[str, tuple[NDArray[np.float64], Float64[NDArray[np.float64], "seed row beta"]]]:
    found: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    variants = results["variant"].values.astype(str)
    for label in dict.fromkeys(variants.tolist()):
        own = variants == label
        rows = np.isfinite(results["step"].values[own]).all(axis=0)
        found[label] = results["step"].values[own][0, rows], results["objective"].values[own][:, rows]
    return found


def table(results: Results) -> list[dict[str, str]]:
    """Return of every variant how the objective changes over inference, mean ± deviation over seeds, a column a β."""
    rows: list[dict[str, str]] = []
    for label, (_, objective) in _by_variant(results).items():
        change = objective[:, -1] - objective[:, 0]
        columns = {
            f"β = {beta:g}": mean_in_words(change[:, k], "+.2g", ".1g") for k, beta in enumerate(results["beta"].values)
        }
        rows.append({"run": label or "the run"} | columns)
    return rows
