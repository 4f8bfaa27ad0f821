"""How far a backend goes at a time is a matter of the clock; what it finds is not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pcsim_jax import JaxBackend
from pcsim_jax import flow as jax_flow
from pcsim_numba import NumbaBackend

import pcsim
from pcsim.engine.backend import Backend, Flow, Settled, Task
from pcsim.engine.loop import stretches
from pcsim.inference.steppers import Adam
from pcsim.inference.stopping import StopRule
from pcsim.learning import training
from pcsim.trace import Block
from tests.support.cases import KERNEL_METHODS, join, make_case, make_task
from tests.support.covering import sampled
from tests.support.scenario_files import Files
from tests.support.training_files import TRAINING, assert_same_bits

BACKENDS: dict[str, Backend] = {"numba": NumbaBackend(), "jax": JaxBackend()}
PACES = (0.0, 1e9)
"""Seconds aimed at: one step at a time, and as many as there are."""


def settle(backend: Backend, task: Task) -> tuple[Settled, Block]:
    blocks: list[Block] = []
    return backend.settle(task, blocks.append, lambda _: False), join(blocks)


def assert_equal(run: Callable[[], tuple[Settled, Block]], monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
    found: list[tuple[Settled, Block]] = []
    for seconds in PACES:
        monkeypatch.setattr(module, "SECONDS", seconds)
        found.append(run())
    (slow, slow_rows), (fast, fast_rows) = found
    np.testing.assert_array_equal(slow_rows.clock, fast_rows.clock)
    assert slow_rows.energy is not None
    assert fast_rows.energy is not None
    np.testing.assert_array_equal(slow_rows.energy, fast_rows.energy)
    for mine, theirs in zip(slow.states + slow.errors, fast.states + fast.errors, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert slow.ending == fast.ending


BOTH = {f"{backend}-{method}": (backend, method) for backend in BACKENDS for method in KERNEL_METHODS}


@pytest.mark.parametrize("words", sampled(BOTH, ["numba-state", "numba-increment", "jax-state"]))
def test_discrete_inference(words: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    backend, method = BACKENDS[words[0]], KERNEL_METHODS[words[1]]
    case = make_case("gelu", widths=(5, 6, 6, 3))
    task = make_task(case, method(case.energy), stepper=Adam(0.05), steps=150, record=("energy",))
    task = replace(task, stop=StopRule(grad_norm=1e-2))
    assert_equal(lambda: settle(backend, task), monkeypatch, stretches)


def test_continuous_time(monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case("gelu", widths=(5, 6, 3))
    task = replace(
        make_task(case, record=("energy",)), motion=Flow("euler", (1.0, 3.0), step_size=0.03, temperature=0.1)
    )
    assert_equal(lambda: settle(BACKENDS["jax"], task), monkeypatch, jax_flow)


@pytest.mark.parametrize("backend", sampled(BACKENDS.keys(), ["numba"]))
def test_training(backend: str, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = pcsim.read_scenario(files.write(TRAINING), ["learning.epochs=1"], backend=backend)
    for seconds in PACES:
        monkeypatch.setattr(training, "SECONDS", seconds)
        pcsim.run(scenario, path=f"{seconds}.h5").close()
    assert_same_bits("0.0.h5", "1000000000.0.h5")
