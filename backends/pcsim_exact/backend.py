"""The exact backend: ball arithmetic on python-flint, as the referee of every other backend."""

import platform
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from pcsim.engine.backend import LAYERS, Capabilities, Settled, Task
from pcsim.errors import UsageError
from pcsim.model.arithmetic import check_arithmetic
from pcsim.trace.layout import Block

HALVING = (
    "the exact backend has no inference.step_halving: whether an energy has risen cannot be told where balls overlap; "
    'write step_halving = false, or use backend = "numpy"'
)
NOISE = 'the exact backend draws no noise; write noise = 0, or use backend = "numpy"'


METHODS = (
    "state",
    "error",
    "sequential",
    "precision-weighted",
    "augmented-lagrangian",
    "equilibrium-propagation",
    "backprop",
)


class ExactBackend:
    """Runs the core on arrays of balls; energies come with rigorous bounds, arrivals without rounding."""

    def capabilities(self) -> Capabilities:
        """Return what ball arithmetic can do, or how to get it where python-flint is missing."""
        missing = find_spec("flint") is None
        return Capabilities(
            device=f"cpu ({platform.machine()})",
            precisions=("exact",),
            methods=METHODS,
            layers=LAYERS,
            own=("activation", "part", "inference", "stepper", "loss"),
            problem="python-flint is not installed" if missing else None,
            fix="install it with: pip install 'pcsim[exact]'" if missing else None,
            bounds=True,
            limits=(HALVING, NOISE),
            packages=("python-flint",),
        )

    def estimate(self, task: Task) -> float:
        """Return about how many seconds the task takes at the working precision that its bits are guessed to need.

        Raises `UsageError` if the bits are out of range, the run would take too long, or it asks for narrow rounding
        halved step sizes or noise.
        """
        from pcsim_exact.cost import estimated_seconds, refuse_if_too_long
        from pcsim_exact.number.precision import bits_asked, first_guess

        check_arithmetic(task.precision, task.arithmetic)
        if task.inference.traits.halves_steps:
            raise UsageError(HALVING)
        if task.inference.traits.draws:
            raise UsageError(NOISE)
        working = first_guess(task, bits_asked(task.precision))
        refuse_if_too_long(task, working)
        return estimated_seconds(task, working)

    def settle(self, task: Task, sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
        """Run inference until every energy is known to the bits that the precision asks for."""
        # Only here, so that the package can be imported, and say what is missing, without python-flint.
        from pcsim_exact.descent import settle

        # Means of energies on their way to infinity overflow; the loop reports them.
        with np.errstate(over="ignore"):
            return settle(task, sink, poll)
