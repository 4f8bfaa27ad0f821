"""Which solvers numpy has for continuous time, which flows they can run, and about how long that takes."""

import os
from collections.abc import Callable

import numpy as np

from pcsim.engine.backend import Flow, Task
from pcsim.engine.loop import check_flow, check_noise
from pcsim.errors import UsageError
from pcsim_numpy.ode.structure import Structure, structure_of

ADAPTIVE = ("dopri5", "dopri8", "radau", "bdf", "lsoda")
SOLVERS = ("euler", "heun", *ADAPTIVE)
PRECISIONS = ("float32", "float64")
SMALLEST_RTOL = 100 * float(np.finfo(np.float64).eps)
"""SciPy raises smaller ones to this."""

DENSE_WORDS = {"radau": 5, "bdf": 3, "lsoda": 1}
"""float64 numbers that a solver keeps for every entry of a dense Jacobian: itself, an identity, its factors."""
SPARSE_WORDS = {"radau": 9, "bdf": 4, "lsoda": 3}
"""The same for every entry of a sparse or banded one, with indices and the entries that elimination fills."""


def wide_alone(backend: str) -> str:
    """Return what is said of a flow in another precision."""
    return (
        f"{backend} has continuous time in {' and '.join(PRECISIONS)} alone: sums of many small steps need more "
        "digits; use one of these"
    )


def constant_steps(backend: str) -> str:
    """Return what is said of a constant step size for an adaptive solver."""
    return (
        f"{', '.join(ADAPTIVE)} adapt their steps on {backend}; drop inference.step_size, or use inference.solver = "
        '"euler" or "heun", or backend = "jax", for constant steps'
    )


def check(task: Task, motion: Flow, backend: str) -> None:
    """Raise `UsageError` for a flow that a backend with these solvers cannot run."""
    check_flow(task, motion, backend, SOLVERS)
    if task.precision not in PRECISIONS:
        raise UsageError(wide_alone(backend))
    if motion.solver == "euler":
        _check_euler(task, motion)
    elif motion.solver == "heun":
        _check_noiseless(motion, backend)
    else:
        _check_adaptive(task, motion, backend)
        _check_memory(task, motion)


def flow_seconds(task: Task, motion: Flow) -> float:
    """Return roughly how many seconds a flow takes: how many steps a solver needs shows only on the way."""
    weights = sum(array.size for layer in task.parameters for array in layer.values())
    if motion.solver == "heun" and motion.step_size is None:
        return 8e-10 * weights * len(task.x) * (20.0 * motion.end + len(motion.times))
    if motion.step_size is not None:
        return 4e-10 * weights * len(task.x) * (motion.end / motion.step_size + len(motion.times))
    # One sample at a time, two products a layer read the weights from memory.
    evaluation = 4e-10 * weights + 1e-5 * len(task.parameters)
    return len(task.x) * evaluation * (200.0 + 20.0 * motion.end + len(motion.times))


def _check_euler(task: Task, motion: Flow) -> None:
    if motion.step_size is None:
        raise UsageError("the solver 'euler' takes constant steps: give inference.step_size")
    check_noise(task, motion)


def _check_noiseless(motion: Flow, backend: str) -> None:
    if motion.temperature > 0.0:
        raise UsageError(
            f"the solver '{motion.solver}' has no noise on {backend}: give inference.solver = \"euler\", or drop "
            "inference.noise"
        )


def _check_adaptive(task: Task, motion: Flow, backend: str) -> None:
    _check_noiseless(motion, backend)
    if motion.step_size is not None:
        raise UsageError(constant_steps(backend))
    for name, value, least in (("rtol", motion.rtol, SMALLEST_RTOL), ("atol", motion.atol, 0.0)):
        if not value >= least or value == 0.0:
            allowed = "above 0" if least == 0.0 else f"{least:.2g} or more"
            raise UsageError(f"inference.{name} = {value:g}; the solver '{motion.solver}' on {backend} needs {allowed}")


def _check_memory(task: Task, motion: Flow) -> None:
    need = solver_bytes(motion.solver, structure_of(task.inference), len(task.x))
    have = _memory()
    if need > 0.8 * have:
        raise UsageError(
            f"the solver '{motion.solver}' needs about {need / 2**30:.1f} GiB for the Jacobians of {len(task.x)} "
            f"samples, this machine has {have / 2**30:.1f}; take fewer samples in data.batch, or a solver that needs "
            "none: dopri5 or dopri8"
        )


def solver_bytes(solver: str, structure: Structure, batch: int) -> float:
    """Return about how many bytes a solver keeps for the Jacobians of a batch."""
    if solver not in DENSE_WORDS:
        return 0.0
    if structure.is_dense:
        return 8.0 * batch * DENSE_WORDS[solver] * structure.size**2
    if solver == "lsoda":
        return 8.0 * batch * SPARSE_WORDS[solver] * structure.size * structure.bandwidth
    return 8.0 * batch * SPARSE_WORDS[solver] * structure.entries


def _memory() -> float:
    """Return the bytes of this machine's memory, or 8 GiB where the system does not say."""
    names: dict[str, int] = getattr(os, "sysconf_names", {})
    ask: Callable[[str], int] | None = getattr(os, "sysconf", None)
    if ask is None or not {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= names.keys():
        return 8.0 * 2**30
    return float(ask("SC_PAGE_SIZE") * ask("SC_PHYS_PAGES"))
