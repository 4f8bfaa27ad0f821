"""Which theory belongs to a trace, and the energies it gives at the recorded steps."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64

from pcsim.assemble import build_task, unknown_words
from pcsim.engine.backend import Descent, Flow, Task
from pcsim.engine.host import host_namespace
from pcsim.errors import UsageError
from pcsim.inference import StateOptimization
from pcsim.inference.steppers import GradientDescent
from pcsim.linear import is_linear, linear_system
from pcsim.model.energy import States
from pcsim.model.losses import SoftClampedSquaredError, SquaredError, unweighted
from pcsim.model.network import Network
from pcsim.recorded.embedded import of_trace
from pcsim.recorded.resimulation import setting_in_double
from pcsim.scenario import Scenario
from pcsim.scenario.inference import InferenceTable
from pcsim.theory.signal import (
    log_binomial_profile,
    log_fixed_prediction_limit,
    log_fixed_prediction_profile,
    log_poisson_profile,
)
from pcsim.trace import Trace
from pcsim.typing import NDArray

EXACT = "theory: exact trajectory"
_SCALE = "times $E_0=½‖∂ℓ/∂ŷ‖^2$ at the start; assumes fixed predictions, identity Jacobians"
PROFILE = (
    "theory: signal profile (EO paper eq. 4), $[C(t,i)\\,\\lambda^i(1-\\lambda)^{t-i}]^2$ $i$ layers below the output\n"
    + _SCALE
)
FIXED_PROFILE = "theory: signal profile, $P(\\mathrm{Bin}(t,\\lambda)\\geq i)^2$ $i$ layers below the output\n" + _SCALE
LIMIT = "theory: signal profile in continuous time, $[t^i e^{-t}/i!]^2$ $i$ layers below the output\n" + _SCALE
FIXED_LIMIT = (
    "theory: signal profile in continuous time, $P(\\mathrm{Poisson}(t)\\geq i)^2$ $i$ layers below the output\n"
    + _SCALE
)


@dataclass(frozen=True)
class Overlay:
    """Theoretical energies at a trace's recorded steps, NaN where theory says nothing; `label` says what they are."""

    label: str
    energy: Float64[NDArray[np.float64], "step layer"]


def theory_of(trace: Trace) -> Overlay:
    """Return the theory for a run of state optimization by gradient descent, or by gradient flow without noise.

    The exact trajectory for a deep linear network with squared error, from any start; the signal profile for every
    other one from a feedforward start. Raises `UsageError` for runs without a theory.
    """
    if unknown := unknown_words(of_trace(trace).parse(runs=False)):
        raise UsageError(
            f"{_name(trace)}: theory needs {unknown[0].kind} '{unknown[0].word}', which is not registered here, and "
            "plots import nothing; register it first, in Python, or leave theory out"
        )
    scenario, network, inputs = setting_in_double(trace)
    task, table = build_task(scenario, network, inputs, "float64"), scenario.inference
    for found, needed in (
        (f"noise = {table.noise:g}", "noise = 0"),
        (f'method = "{table.method}"', 'method = "state"'),
        (f'optimizer = "{table.optimizer}"', 'optimizer = "gd"'),
        (f'input = "{table.input}"', 'input = "clamped"'),
        (f'output = "{table.output}"', 'output = "clamped"'),
        (f"step_decay = {table.step_decay:g}", "step_decay = 0"),
        (f"error_steps = {table.error_steps}", "error_steps = 0"),
        (f"clip = {table.clip}", "clip = None"),
        (f"step_halving = {str(table.step_halving).lower()}", "step_halving = false"),
    ):
        if found != needed:
            raise UsageError(
                f'{_name(trace)}: there is no theory for a run with {found}; there is for method = "state" with '
                'optimizer = "gd" and constant steps, or a solver without noise, input and output clamped'
            )
    if not task.inference.traits.freezes_predictions and _is_linear(task):
        return _exact(task, trace.steps, table.known_step_size)
    _require_signal(trace, task, scenario)
    return _profile(task, trace.steps, table)


def _is_linear(task: Task) -> bool:
    energy = task.inference.energy
    return is_linear(energy.network) and isinstance(unweighted(energy.loss), SquaredError | SoftClampedSquaredError)


def _exact(task: Task, clock: NDArray[Any], step_size: float) -> Overlay:
    system = linear_system(task.inference.energy, task.parameters, task.x, task.y)
    trajectory = system.trajectory(_start(task))
    flows = isinstance(task.motion, Flow)
    motion = trajectory.flow(clock) if flows else trajectory.descent(clock, step_size)
    energy, resolution = trajectory.energies(motion), trajectory.resolution(motion)
    return Overlay(EXACT, np.where(energy > resolution[:, None], energy, np.nan))


def _start(task: Task) -> States | None:
    """Return the states at the start, None at a feedforward pass."""
    energy, xp = task.inference.energy, host_namespace()
    if energy.network.amortiser is None:
        return task.initial
    return energy.first_states(xp, energy.clamp(xp, task.parameters, task.x, task.y))


def _profile(task: Task, clock: NDArray[Any], table: InferenceTable) -> Overlay:
    layers, fixed = len(task.inference.energy.network.layers), task.inference.traits.freezes_predictions
    distance, column = np.arange(layers - 1, -1, -1), clock[:, None]
    if isinstance(task.motion, Flow):
        label = FIXED_LIMIT if fixed else LIMIT
        log_signal = (log_fixed_prediction_limit if fixed else log_poisson_profile)(column, distance)
    else:
        label = FIXED_PROFILE if fixed else PROFILE
        profile = log_fixed_prediction_profile if fixed else log_binomial_profile
        log_signal = profile(column, distance, table.known_step_size)
    energy = _output_error_energy(task) * np.exp(2 * log_signal)
    # The output's own energy is the loss, no squared error in general.
    energy[:, -1] = np.nan
    return Overlay(label, energy)


def _output_error_energy(task: Task) -> float:
    """Return ½‖∂ℓ/∂ŷ‖² of the feedforward pass, its batch mean."""
    from pcsim.engine.registry import load_backend

    start = replace(
        task,
        inference=StateOptimization(task.inference.energy),
        motion=Descent(GradientDescent(1.0), 0, ()),
        record=frozenset(),
    )
    errors = load_backend("numpy").settle(start, lambda block: None, lambda step: False).errors
    return 0.5 * float(np.mean(np.sum(errors[-1] ** 2, axis=1)))


def _require_signal(trace: Trace, task: Task, scenario: Scenario) -> None:
    """Raise `UsageError` where the signal profile's picture of one wave from the output down does not hold."""
    table, energy = scenario.inference, task.inference.energy
    problems = {
        f'start = "{table.start}"': table.start != "feedforward",
        f"step_size = {table.known_step_size:g}": isinstance(task.motion, Descent) and table.known_step_size > 1,
        "precisions other than 1": any(gamma != 1.0 for gamma in energy.precisions),
        "activity decay": any(delta != 0.0 for delta in energy.decays),
        "skips longer than 1": _longest_skip(energy.network) > 1,
    }
    found = [problem for problem, present in problems.items() if present]
    if found:
        raise UsageError(
            f"{_name(trace)}: there is no theory for a run with {' and '.join(found)}; the signal profile is for a "
            "feedforward start, step_size up to 1, precisions 1, no activity decay and skips no longer than 1 (linear "
            'networks with squared error and predictions = "local" have an exact trajectory whatever these are)'
        )


def _longest_skip(network: Network) -> int:
    return max((i - state for i, layer in enumerate(network.layers) for state in layer.reads[1:]), default=0)


def _name(trace: Trace) -> str:
    return str(trace.path or "the trace")
