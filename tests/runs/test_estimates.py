"""What a training run is expected to take, beside what its updates are."""

from dataclasses import replace
from typing import Any

import pytest

from pcsim.runs.simulation import prepare
from pcsim.scenario import read_scenario

WORDS = ("data.samples=320", "learning.batch=32", "learning.epochs=3", "data.batch=16")


def without_samples(simulation: Any) -> float:
    task = simulation.task
    return simulation.backend.estimate(replace(task, x=task.x[:0], y=task.y[:0], initial=None))


@pytest.mark.parametrize(("backend", "times"), [("numpy", 30), ("jax", 1)])
def test_what_calls_cost_is_paid_in_every_update_and_compiling_once(backend: str, times: int) -> None:
    simulation = prepare(read_scenario("train-digits", [*WORDS, f"backend.name={backend}"]))
    none = without_samples(simulation)
    each = (simulation.estimate - none) / 16
    assert none > 0
    assert simulation.training_seconds == pytest.approx(times * none + 30 * 32 * each, rel=1e-12)
    assert simulation.seconds == simulation.estimate + simulation.training_seconds
