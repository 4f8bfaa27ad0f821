"""Whether an equilibrium is a minimum: the smallest eigenvalue of every sample's Hessian over the errors."""

from dataclasses import replace

import numpy as np

from pcsim.curvature import error_curvature, largest_eigenvalue, operator_of
from pcsim.engine.backend import Settled, Task
from pcsim.engine.host import host_namespace
from pcsim.model.energy import States

ACCURACY = 1e-6


def with_minima(task: Task, settled: Settled) -> Settled:
    """Return what a search left behind with the smallest eigenvalue at the end of every sample.

    Computed in float64 by Lanczos, whatever the type of the run. Raises `UsageError` where that does not converge.
    """
    if settled.equilibria is None:
        return settled
    found = np.array([smallest_eigenvalue(task, settled, b) for b in range(len(task.x))])
    return replace(settled, equilibria=replace(settled.equilibria, smallest_eigenvalue=found))


def smallest_eigenvalue(task: Task, settled: Settled, sample: int) -> float:
    """Return the smallest eigenvalue of the Hessian of one sample's energy over its errors, at the end of a run."""
    xp, energy, one = host_namespace(), task.inference.energy, slice(sample, sample + 1)
    clamped = energy.clamp(xp, task.parameters, task.x[one], task.y[one])
    errors: States = tuple(error[one].astype(np.float64) for error in settled.errors[:-1])
    # Every Hessian has the eigenvalue γ many times over: the other end is where Lanczos gets quickly.
    return -largest_eigenvalue(-operator_of(error_curvature(xp, energy, clamped, errors)), ACCURACY)
