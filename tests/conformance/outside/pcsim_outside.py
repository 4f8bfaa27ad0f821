"""A backend of somebody else's, who has only pcsim's documentation: right, and wrong in three ways."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pcsim.engine.backend import Backend, Capabilities, Settled, Task
from pcsim.engine.registry import load_backend
from pcsim.errors import UsageError

HALVING = 'outside has no inference.step_halving; use backend = "numpy"'


class Outside:
    """Claims two methods in float64, and borrows them from numpy."""

    refusal = HALVING

    def __init__(self) -> None:
        self.numpy: Backend = load_backend("numpy")

    def capabilities(self) -> Capabilities:
        return Capabilities("cpu", ("float64",), ("state", "error"), ("dense",), limits=(HALVING,))

    def estimate(self, task: Task) -> float:
        if task.inference.traits.halves_steps:
            raise UsageError(self.refusal)
        return self.numpy.estimate(task)

    def settle(self, task: Task, sink: Callable[[Any], None], poll: Callable[[float], bool]) -> Settled:
        return self.numpy.settle(task, sink, poll)


class Forgetful(Outside):
    """Forgets the precisions γ of the energy."""

    def settle(self, task: Task, sink: Callable[[Any], None], poll: Callable[[float], bool]) -> Settled:
        energy = task.inference.energy
        plain = replace(energy, precisions=tuple(1.0 for _ in energy.precisions))
        return super().settle(replace(task, inference=task.inference.with_energy(plain)), sink, poll)


class Boastful(Outside):
    """Claims a solver it has not got."""

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), solvers=("tsit5",))


class Curt(Outside):
    """Refuses in other words than it lists."""

    refusal = "no"
