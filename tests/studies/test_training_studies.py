"""Studies of runs that train: what each measures is what a run by itself comes to."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import pcsim
from pcsim.assemble import build_learner, build_network
from pcsim.engine.host import host_namespace
from pcsim.learning import fresh
from pcsim.learning.batch import Batch
from pcsim.model.initialisers import Orthogonal
from pcsim.model.layers.dense import Dense
from pcsim.scenario import read_scenario, runs_of, scenario_of
from pcsim.studies import Results, load_kind
from pcsim.studies.attempts import Attempts
from pcsim.studies.update_cost import products

TINY = ("network.hidden.width=8", "data.samples=80", "learning.batch=64", "learning.epochs=1")


def study(name: str, overrides: Sequence[str]) -> tuple[Results, list[dict[str, str]]]:
    scenario = scenario_of(name, overrides)
    assert scenario.study is not None
    kind = load_kind(scenario.study.kind)
    *_, results = kind.compute(scenario, Attempts(runs_of(scenario)))
    return results, kind.table(results)


def test_the_size_of_one_update_is_how_far_it_moves_the_weights() -> None:
    results, rows = study("fig-alonso-2", [*TINY, "seed=3", "inference.steps=4"])
    assert [row["run"] for row in rows] == ["sgd, lr 0.3", "mq, lr 0.0003", "adam, lr 0.0003"]
    first = runs_of(read_scenario("fig-alonso-2", [*TINY, "seed=3", "inference.steps=4"]))[0]
    with pcsim.run(first.scenario) as run:
        moved = [np.abs(run.trained[f"W_{i}"] - run.network[f"W_{i}"]).mean() for i in range(4)]
    np.testing.assert_allclose(results["size"].values[0], moved, rtol=1e-5)


def test_sequential_errors_reach_all_layers_in_one_step_and_simultaneous_ones_one() -> None:
    results, rows = study("fig-alonso-3", ["network.hidden.width=16", "data.batch=8", "seed=1", "inference.steps=5"])
    simultaneous, sequential = results["error"].values
    assert (sequential[1] > 0).all()
    for step in range(5):
        reached = simultaneous[step] > 0
        assert reached.tolist() == [layer >= 4 - step for layer in range(5)]
    assert [row["step"] for row in rows] == ["1", "5", "1", "5"]


def test_an_update_costs_what_the_paper_counts() -> None:
    results, rows = study("fig-update-cost", [])
    layers, whole, first = 4, 64 * 128 + 2 * 128 * 128 + 128 * 10, 64 * 128
    counts = results["products"].values.reshape(3, 3)[:, 0]
    assert counts.tolist() == [3 * layers - 1, 7 * layers - 3, 31 * layers - 15]
    multiplications = results["multiplications"].values.reshape(3, 3)[:, 0]
    assert multiplications.tolist() == [3 * whole - first, 7 * whole - 3 * first, 31 * whole - 15 * first]
    assert [row["memory"] for row in rows[:3]] == ["1.000 M", "1.000 M", "3.000 M"]


def test_products_of_updates_after_every_step_are_those_that_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for name in ("forward", "pullback", "gradient"):
        own = getattr(Dense, name)

        def counted(*arguments: Any, own: Any = own, name: str = name) -> Any:
            done.append(name)
            return own(*arguments)

        monkeypatch.setattr(Dense, name, counted)
    scenario = read_scenario(
        "train-digits", [*TINY, "inference.method=state", "learning.rule=incremental", "inference.steps=5"]
    )
    network = build_network(scenario)
    layers, learner = len(network.layers), build_learner(scenario, network)
    x, y = np.ones((2, 64)), np.eye(10)[:2]
    python = Batch(host_namespace(), learner, x, y)
    parameters = network.draw_parameters(Orthogonal(), 0)
    python.learn(parameters, fresh(host_namespace(), learner, parameters), 1e-3, 1)
    start = 1 + 2 * (layers - 1)  # where inference starts, and what is there to see of it
    assert len(done) == products(network, learner)[0] + start


def test_the_best_rates_of_the_first_network_are_held_against_those_of_the_others() -> None:
    changes = [
        'sweep.network=[{ parametrisation = "mupc" }]',
        "sweep.together=[{ network.hidden.width = 8, seed = 1 }, { network.hidden.width = 16, seed = 1 }]",
        "sweep.learning.lr=[0.01, 0.1]",
        "sweep.inference.step_size=[0.01, 1e30]",
        "data.samples=128",
        "learning.epochs=1",
    ]
    results, rows = study("fig-thesis-5-5", changes)
    losses = results["least_loss"].values.reshape(2, 2, 2)
    assert np.isinf(losses[..., 1]).all()  # a step of 1e30 diverges
    best = losses[..., 0].argmin(axis=1)
    first = runs_of(read_scenario("fig-thesis-5-5", changes))[2 * int(best[0])]
    with pcsim.run(first.scenario) as run:
        assert losses[0, best[0], 0] == run.training["loss"].min()
    assert [row["diverged"] for row in rows] == ["2 of 4"] * 2
    assert [row["best learning rate"] for row in rows] == [f"{[0.01, 0.1][i]:g}" for i in best]
    assert rows[1]["at the first's rates"] == f"{losses[1, best[0], 0]:.3g}"


def test_accuracy_is_drawn_over_what_varies() -> None:
    changes = [*TINY, "sweep.seed=[0, 1]", "sweep.inference.steps=[1, 2]", "network.hidden.layers=1"]
    results, rows = study("fig-alonso-4", changes)
    assert results["steps"].values.tolist() == [1, 1, 2, 2] * 2
    assert [list(row) for row in rows] == [["run", "steps of inference: 1", "steps of inference: 2"]] * 2
    assert (results["best"].values >= results["last"].values).all()
    found = 100 * results["best"].values[:2]
    assert rows[0]["steps of inference: 1"] == f"{found.mean():.2f} ± {found.std(ddof=1):.2f} %"


def test_accuracy_is_drawn_over_activity_decay() -> None:
    small = ["network.hidden={ layers = 1, width = 8 }", "data.samples=80", "learning.epochs=1", "inference.steps=3"]
    results, rows = study("fig-thesis-c-12-accuracy", [*small, "sweep.network.activity_decay=[0.0, 0.5]", "seed=1"])
    assert results["decay"].values.tolist() == [0.0, 0.5]
    assert [list(row) for row in rows] == [["run", "activity decay: 0", "activity decay: 0.5"]]
    assert rows[0]["activity decay: 0.5"] == f"{100 * results['best'].values[1]:.2f} %"
    older = {name: each for name, each in results.items() if name != "decay"}
    assert list(load_kind("final-accuracy").table(older)[0]) == ["run", "steps of inference: 3"]


def test_the_objective_of_an_update_is_the_loss_where_its_size_counts_for_nothing() -> None:
    changes = ["network.hidden.width=8", "seed=0", "data.samples=12", "data.batch=4", "inference.steps=3"]
    results, rows = study("fig-alonso-8", changes)
    objective, loss, betas = (results[name].values for name in ("objective", "loss", "beta"))
    sizes = 2 * betas * (objective - loss[..., None])
    assert objective.shape == (4, 4, 5)
    np.testing.assert_allclose(sizes, np.broadcast_to(sizes[..., :1], sizes.shape), rtol=1e-6)
    assert (sizes > 0).all()
    assert [row["run"].split(",")[0] for row in rows] == ["state", "state", "sequential", "sequential"]


@pytest.mark.parametrize(
    ("words", "passes"),
    [
        ((), 0),
        (("learning.rule=forward", "inference.form=standard"), 1),
        (("inference.method=equilibrium-propagation",), 2),
    ],
)
def test_passes_beside_inference_are_counted(words: tuple[str, ...], passes: int) -> None:
    scenario = pcsim.read_scenario("deep-local", ["inference.steps=30", *words])
    network = build_network(scenario)
    count, multiplications = products(network, build_learner(scenario, network))
    assert count == 30 * 39 + 20 * (1 + passes)
    assert multiplications == 30 * (2 * network.multiplications - 64 * 128) + (1 + passes) * network.multiplications


LISTED = """
[network]
input = [8, 8, 1]
activation = "tanh"
layers = [{ conv = 2, kernel = 3, stride = 2 }, { conv = 3, kernel = 2 }, { dense = 10, activation = "linear" }]
[data]
name = "digits"
samples = 80
batch = 8
[inference]
method = "error"
loss = "cross-entropy"
steps = 3
step_size = 0.1
[learning]
epochs = 1
[sweep]
inference.method = ["error", "state"]
[trace]
record = ["states"]
"""


def on_listed_layers(kind: str) -> Results:
    return study(LISTED + f'[study]\nkind = "{kind}"\n', [])[0]


def test_studies_count_the_layers_of_a_list() -> None:
    found = on_listed_layers("final-accuracy")
    assert (found["depth"].values[0], found["width"].values[0]) == (2, 3 * 3 * 2)
    assert on_listed_layers("saddle-escape")["hidden"].values.tolist() == [2, 2]
    found = on_listed_layers("rate-transfer")
    assert (found["depth"].values.tolist(), found["width"].values.tolist()) == ([2, 2], [18, 18])


def test_an_energy_that_rises_gets_nowhere() -> None:
    text = LISTED.replace("states", "energy_per_sample")
    for words in ("[learning]\nepochs = 1\n", "samples = 80\n"):
        text = text.replace(words, "")
    _, rows = study(text + '[study]\nkind = "difficulty"\n', ["inference.step_size=1e3"])
    assert {row["99 % of the way by step"] for row in rows} == {"–"}
    _, rows = study(text + '[study]\nkind = "difficulty"\n', [])
    assert [row["99 % of the way by step"] for row in rows] == ["3"] * 4


def test_the_distance_of_an_image_from_where_it_comes_to_rest() -> None:
    found = on_listed_layers("distance-to-rest")
    distance = found["distance"].values
    assert distance.shape == (2, 4, 2, 2)
    assert (distance[0, -1] == 0).all()
    assert (distance[:, 0] > 0).all()
