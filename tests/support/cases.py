"""Small random networks and tasks that many tests share, those of the conformance suite with an oracle."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from pcsim_numpy import NumpyBackend
from pcsim_numpy.namespace import NumpyNamespace

from pcsim.conformance import cases
from pcsim.conformance.cases import ACTIVATIONS, LOSSES, METHODS, join, make_task, settle_on
from pcsim.engine import lowering
from pcsim.engine.backend import Task
from pcsim.model.energy import Clamped

if TYPE_CHECKING:
    from tests.support.oracle import Oracle

__all__ = [
    "ACTIVATIONS",
    "KERNEL_METHODS",
    "LOSSES",
    "METHODS",
    "XP",
    "Case",
    "join",
    "make_case",
    "make_task",
    "settle",
]

XP = NumpyNamespace()
KERNEL_METHODS = {name: kind for name, kind in METHODS.items() if kind in lowering.METHODS}
"""The methods that backends with hand-written kernels have."""


class Case(cases.Case):
    """A network, its energy, the oracle for it, and random parameters and data."""

    @cached_property
    def oracle(self) -> "Oracle":
        """The same energy on JAX, which is imported here: most tests do without. Needs `jax_in_double`."""
        from tests.support.oracle import Oracle

        return Oracle(**self.equations)

    def clamped(self) -> Clamped:
        return self.energy.clamp(XP, self.parameters, self.x, self.y)


def make_case(activation: str = "tanh", **options: Any) -> Case:
    """Return the case of `pcsim.conformance.cases.make_case`, with its oracle."""
    return Case(**vars(cases.make_case(activation, **options)))


def settle(task: Task) -> tuple[Any, Any]:
    """Run a task on numpy and return what it leaves and all its rows in one block."""
    return settle_on(NumpyBackend(), task)
