"""Flows that JAX cannot run, refused before they start."""

from typing import Any

import pytest
from pcsim_jax import flow

from pcsim.errors import UsageError
from pcsim.inference import (
    IncrementStateOptimization,
    SequentialStateOptimization,
)
from tests.backends.jax.test_flow import LINEAR, flow_task

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"solver": "dopri6"}, "no solver 'dopri6'"),
    ({"solver": "euler"}, "give inference.step_size"),
    ({"solver": "heun", "step_size": 0.0}, "must be above 0"),
    ({"solver": "dopri5", "rtol": 1e-8, "precision": "float32"}, "below what float32 can meet; give 1e-06 or more"),
    ({"solver": "dopri5", "rtol": 1e-15}, "below what float64 can meet"),
    ({"solver": "dopri5", "atol": 0.0}, "above 0"),
    ({"solver": "dopri5", "precision": "bfloat16"}, "in float32 and float64 alone"),
    ({"solver": "dopri5", "temperature": 0.1, "step_size": 0.1}, "has no noise"),
    ({"solver": "heun", "temperature": 0.1}, "needs constant steps"),
]


@pytest.mark.parametrize(("options", "words"), REFUSED)
def test_what_cannot_run_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        flow.check(flow_task(LINEAR["plain"], **options))


def test_methods_that_cannot_run_are_refused() -> None:
    energy = LINEAR["plain"].energy
    with pytest.raises(UsageError, match="no continuous time"):
        flow.check(flow_task(LINEAR["plain"], "dopri5", SequentialStateOptimization(energy)))
    task = flow_task(LINEAR["plain"], "heun", IncrementStateOptimization(energy), temperature=0.1, step_size=0.1)
    with pytest.raises(UsageError, match="standard form"):
        flow.check(task)
