"""From a scenario's words to one inference run, as a backend takes it."""

from collections.abc import Sequence

import numpy as np

from pcsim.assemble.inputs import Inputs
from pcsim.assemble.model import build_inference, inferring_with, method_of, residual_of
from pcsim.assemble.own import OwnWord, made
from pcsim.engine.backend import Descent, Flow, Task
from pcsim.errors import UsageError
from pcsim.inference import steppers
from pcsim.inference.stopping import StopRule
from pcsim.model.arithmetic import Arithmetic
from pcsim.model.flat import Flat
from pcsim.model.network import Network
from pcsim.scenario import LogTimes, Scenario
from pcsim.trace.layout import ARRIVALS
from pcsim.trace.recording import every_so_many, log_spaced
from pcsim.typing import NDArray

MOST_ROWS = 10**8
"""Rows of a trace, whose steps or times alone then take 800 MB."""
TIMES = 101
"""Recorded times of a flow that names none, 0 and the end included."""


def build_task(scenario: Scenario, network: Network, inputs: Inputs, precision: str) -> Task:
    """Return the inference run as a backend takes it."""
    table, hidden = scenario.inference, inputs.hidden
    masked = tuple(hidden.mask.tolist()) if hidden is not None and table.output == "masked" else ()
    return Task(
        inference=inferring_with(build_inference(scenario, network, masked), inputs.parameters),
        motion=_descent(scenario) if table.solver is None else _flow(scenario, table.solver),
        stop=build_stop(scenario),
        parameters=inputs.parameters,
        x=inputs.x,
        y=inputs.y,
        initial=build_initial(scenario, network, len(inputs.x)),
        record=_recorded(scenario),
        precision=precision,
        arithmetic=Arithmetic(table.rounding, table.accumulate, scenario.seed),
    )


def _recorded(scenario: Scenario) -> frozenset[str]:
    """Return what a backend records: of arrivals by sample, the energies that tell them."""
    found = frozenset[str](scenario.trace.record)
    return found | {"energy_per_sample"} if ARRIVALS in found else found


def _descent(scenario: Scenario) -> Descent:
    steps = number_of_steps(scenario)
    every = scenario.trace.every
    rows = steps // every + 1 if isinstance(every, int) else every.log
    if rows > MOST_ROWS:
        key = "inference.steps" if isinstance(every, int) else "trace.every"
        raise UsageError(
            f"{scenario.where(key)}: {steps} steps would make a trace of {rows:,} rows, at most "
            f"{MOST_ROWS:,} are allowed; record fewer, as in trace.every = {{ log = 200 }}"
        )
    recorded = every_so_many(steps, every) if isinstance(every, int) else log_spaced(steps, every.log)
    return Descent(build_stepper(scenario), steps, recorded)


def _flow(scenario: Scenario, solver: str) -> Flow:
    table = scenario.inference
    times = _times(scenario)
    if table.tolerances is None:
        return Flow(solver, times, step_size=table.known_step_size, temperature=table.noise, seed=scenario.seed)
    rtol, atol = table.tolerances
    return Flow(solver, times, rtol=rtol, atol=atol, temperature=table.noise, seed=scenario.seed)


def _times(scenario: Scenario) -> tuple[float, ...]:
    """Return the times to record, in ascending order: those of save_at, and the end in any case."""
    saved, end = scenario.inference.save_at, scenario.inference.t_end
    if end is None:
        raise TypeError("a flow needs an end")
    rows = saved.log[2] if isinstance(saved, LogTimes) else len(saved or ())
    if rows > MOST_ROWS:
        raise UsageError(
            f"{scenario.where('inference.save_at')}: {rows:,} times would make a trace of as many rows, at most "
            f"{MOST_ROWS:,} are allowed; save fewer, as in save_at = {{ log = [0.01, 20, 200] }}"
        )
    times = _log_times(saved) if isinstance(saved, LogTimes) else saved or _even_times(end, _step(scenario))
    return tuple(times) if times[-1] == end else (*times, end)


def _log_times(saved: LogTimes) -> Sequence[float]:
    first, last, count = saved.log
    # rounding can make neighbours equal, or carry them beyond the last, where the span is a few floats long
    return np.unique(np.clip(np.geomspace(first, last, count), first, last)).tolist()


def _even_times(end: float, step: float | None) -> Sequence[float]:
    """Return evenly spaced times; those that constant steps come by, for recording cuts a step short."""
    even = np.linspace(0.0, end, TIMES)
    if step is not None:
        even = np.append(np.rint(even / step)[:-1] * step, end)
    return np.unique(even[even <= end]).tolist()


def _step(scenario: Scenario) -> float | None:
    return scenario.inference.known_step_size if scenario.inference.tolerances is None else None


def number_of_steps(scenario: Scenario) -> int:
    """Return how many steps discrete inference takes: one where errors are backpropagated."""
    return 1 if method_of(scenario).traits.backpropagates else scenario.inference.steps


def build_stepper(scenario: Scenario) -> steppers.Stepper:
    """Return how a discrete scenario's variables follow the gradient."""
    table = scenario.inference
    match table.optimizer:
        case "gd":
            stepper = steppers.GradientDescent(table.known_step_size)
        case "momentum":
            stepper = steppers.Momentum(table.known_step_size, table.momentum)
        case "adam":
            stepper = steppers.Adam(table.known_step_size, table.beta1, table.beta2, table.eps)
        case own:
            word = OwnWord("inference.optimizer", "stepper", own)
            stepper = made(scenario, word, table, {"step_size": table.known_step_size})
    if table.clip is not None:
        stepper = steppers.Clipped(stepper, table.clip)
    return steppers.Decaying(stepper, table.step_decay) if table.step_decay > 0.0 else stepper


def build_stop(scenario: Scenario) -> StopRule | None:
    """Return when inference stops before its last step, None where only that ends it."""
    table = scenario.inference.stop
    if method_of(scenario).traits.searches:
        return StopRule(grad_norm=residual_of(scenario))
    return None if table is None else StopRule(table.grad_norm, table.relative_change, table.arrival)


def build_initial(scenario: Scenario, network: Network, batch: int) -> tuple[NDArray[np.float64], ...] | None:
    """Return the variables at the start of inference, one array (batch, *units) each.

    None for a feedforward pass, and where an amortiser guesses them: there inference starts by itself. Where top-down
    predictions move a free output, that is the last.
    """
    if scenario.inference.start in ("feedforward", "amortised"):
        return None
    moves_output = scenario.inference.output == "free" and method_of(scenario).traits.predicts_down
    layout = Flat(network.layer_shapes if moves_output else network.state_shapes)
    if scenario.inference.start == "zeros":
        drawn = np.zeros((batch, layout.size))
    else:
        # One row of draws a sample: a sample starts the same whatever batch it is in.
        drawn = np.random.default_rng([scenario.seed, 1]).standard_normal((batch, layout.size))
    return layout.split(drawn)
