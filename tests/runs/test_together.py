"""A training run that several processes take part in; here they are threads, and train on numpy."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import pcsim
from pcsim.engine.processes import Group, Processes, met
from pcsim.errors import DeviceFailed, UsageError
from pcsim.learning.trainer import Snapshot
from pcsim.runs.simulation import Simulation, prepare
from pcsim.runs.together import LeadingTrainer, agree, follow
from pcsim.runs.training import origin_of
from pcsim.scenario import read_scenario
from tests.engine.test_processes import free_address
from tests.support.scenario_files import Files

WORDS = [
    "network.widths=[64,6,10]",
    "data.samples=64",
    "learning.batch=16",
    "inference.steps=2",
    "learning.optimizer=mq",
]
BATCHES = np.arange(48).reshape(3, 16)
RATES = np.full(3, 0.01)


def prepared() -> tuple[Simulation, Any, Any]:
    simulation = prepare(read_scenario("train-digits", WORDS))
    assert simulation.training is not None
    return simulation, simulation.trainer(), simulation.training.samples


def lead(group: Group) -> Snapshot:
    _, inner, samples = prepared()
    trainer = LeadingTrainer(inner, samples, group)
    start = trainer.snapshot()
    moved = tuple({name: array + 0.01 for name, array in layer.items()} for layer in start.parameters)
    trainer.restore(start._replace(parameters=moved))
    trainer.diagnose(BATCHES[0], 0.01)
    trainer.set_step_size(0.2)
    trainer.run(BATCHES, RATES)
    assert trainer.evaluate(*samples.test).losses.shape == (360,)
    group.dismiss()
    return trainer.snapshot()


def test_all_take_the_steps_that_the_first_takes() -> None:
    address = free_address()

    def one(number: int) -> tuple[Snapshot, int]:
        with met(Processes(address, 2, number)) as group:
            if group.leads:
                return lead(group), 3
            _, trainer, samples = prepared()
            updates = follow(trainer, samples, group)
            return trainer.snapshot(), updates

    with ThreadPoolExecutor(2) as pool:
        (ours, _), (theirs, updates) = pool.map(one, range(2))
    assert (updates, ours.updates, theirs.updates) == (3, 3, 3)
    for a, b in zip((*ours.parameters, *ours.memory), (*theirs.parameters, *theirs.memory), strict=True):
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def test_a_process_that_is_lost_is_named() -> None:
    address = free_address()

    def one(number: int) -> None:
        with met(Processes(address, 2, number)) as group:
            if group.leads:
                _, inner, samples = prepared()
                trainer = LeadingTrainer(inner, samples, group)
                for _ in range(1000):  # what is on its way is still sent
                    trainer.run(BATCHES, RATES)

    with ThreadPoolExecutor(2) as pool, pytest.raises(DeviceFailed, match=r"^process 1 was lost, with its devices$"):
        list(pool.map(one, range(2)))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"scenario": "seed = 1"}, "seed is 1 there, 0 here"),
        ({"data_sha256": "b"}, "data_sha256 is b there, a here"),
        ({"versions": "numpy 1"}, "versions is numpy 1 there, numpy 2 here"),
    ],
)
def test_processes_that_would_train_something_else_are_refused(changes: dict[str, str], line: str) -> None:
    address = free_address()
    origin = replace(origin_of(prepared()[0]), scenario="seed = 0", data_sha256="a", versions="numpy 2")

    def one(number: int) -> str:
        with met(Processes(address, 2, number)) as group, pytest.raises(UsageError) as found:
            agree(group, replace(origin, **changes) if number else origin)
        return str(found.value)

    with ThreadPoolExecutor(2) as pool:
        for said in pool.map(one, range(2)):
            assert said == f"process 1 is about to train something else than process 0: {line}"


def test_what_processes_cannot_share_is_refused_before_they_meet(files: Files) -> None:
    nowhere = Processes("127.0.0.1:1", 2, 0)
    for scenario, words, line in (
        ("signal-decay", [], "the training of a network, and the scenario has no"),
        ("train-digits", [], "numpy' runs in one process; use the backend jax"),
        (
            "train-digits",
            ["backend.name=jax", "backend.devices=3"],
            "3, but 2 processes bring as many each; use a",
        ),
        ("train-digits", ["sweep.seed=[0,1]"], "share one training run, and the scenario asks for several"),
    ):
        with pytest.raises(UsageError, match=line):
            pcsim.run(scenario, words, processes=nowhere)
        with pytest.raises(UsageError, match=line):
            pcsim.take_part(scenario, words, processes=replace(nowhere, number=1))
    with pytest.raises(UsageError, match=r"process 1 takes part in what process 0 runs: use pcsim\.take_part"):
        pcsim.run("train-digits", processes=replace(nowhere, number=1))
    with pytest.raises(UsageError, match="process 0 leads: it runs the scenario"):
        pcsim.take_part("train-digits", processes=nowhere)
