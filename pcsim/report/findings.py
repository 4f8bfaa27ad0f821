"""What a user should not overlook in a finished run: layers that a signal never reached, or that a format deafens."""

import numpy as np

from pcsim.figures.completion import of_free_ends
from pcsim.model.arithmetic import FORMATS
from pcsim.report.equilibrium_report import not_at_equilibrium
from pcsim.trace import Trace
from pcsim.typing import NDArray
from pcsim.words import count, duration, layers

DISGUISED = 0.99
"""Cosine to backpropagation above which a weight update is said to be its in all but scale."""
STORING_STATES = ("state", "sequential", "augmented-lagrangian", "precision-weighted")
"""Methods that have an error as the difference of a state and its prediction, but for the increment form."""
LONG = 10.0
"""Seconds from which on it is worth saying that they need not have been."""
WIDER = {"float16": "bfloat16 or float32", "bfloat16": "float64", "float32": "float64", "float64": "exact"}


def findings(trace: Trace) -> list[str]:
    """Return sentences on layers without signal, below one unit in the last place, or below the format's range.

    Of inference that was broken off after training there is nothing to find: it had just begun, or nearly ended.
    """
    ended = "arrival_step" in trace and not (trace.training and trace.status == "interrupted")
    inference = [*_stopped(trace), *of_free_ends(trace), *of_inference(trace)] if ended else []
    return [*of_training(trace), *inference, *_of_a_busy_machine(trace)]


def _of_a_busy_machine(trace: Trace) -> list[str]:
    """Return a sentence where a long run had a processor for less than half of its time."""
    wall, own = (float(trace.attributes.get(f"{name}_seconds", 0.0)) for name in ("wall", "processor"))
    if wall < LONG or own > wall / 2 or not str(trace.attributes.get("device", "")).startswith("cpu"):
        return []
    return [
        f"The machine was busy: the run took {duration(wall)} and had a processor for {duration(own)} of it. Run it "
        "alone, or give it one thread: OPENBLAS_NUM_THREADS=1 and NUMBA_NUM_THREADS=1 in the environment."
    ]


def of_training(trace: Trace) -> list[str]:
    """Return sentences on how training went: an early stop, layers that learned nothing, backprop in disguise."""
    attributes = trace.attributes
    found = [f"Resumed: {attributes['note']}."] if "note" in attributes else []
    if attributes.get("stopped_early"):
        found.append(
            f"Training stopped early after epoch {attributes['epochs_trained']}: the best weights, those of epoch "
            f"{attributes['epoch_kept']}, were restored."
        )
    if "training_stopped_by" in attributes:
        by = attributes["training_stopped_by"]
        found.append(f"The callback {by} ended training after epoch {attributes['epochs_trained']}.")
    silent = silent_in_training(trace)
    if silent:
        after = f", nor {_passed(trace)} after it" if silent == _silent_layers(trace) else ""
        found.append(
            f"No signal reached {layers(silent)} in the last epoch of training{after}: "
            f"{'its' if len(silent) == 1 else 'their'} weights did not change."
        )
    return [*found, *_unmoved(trace, silent), *_backprop_in_disguise(trace)]


def _unmoved(trace: Trace, silent: list[int]) -> list[str]:
    """Weights that a signal reached and that stand still: what they read is zero, or their activation is flat."""
    ratios = trace.training.get("update_ratio", np.empty((0, 0)))
    frozen = [int(number) for number in str(trace.attributes.get("frozen_layers", "")).split()]
    still = [] if len(ratios) == 0 else [i for i in _numbers(ratios[-1] == 0) if i not in (*silent, *frozen)]
    if not still or not float(trace.training["learning_rate"][-1]):
        return []
    their = "its" if len(still) == 1 else "their"
    return [
        f"The weights of {layers(still)} did not move at the first update of the last epoch, where a signal was: "
        f"{their} inputs are zero, or {their} activation is flat (a relu without biases at an input of zero)."
    ]


def silent_in_training(trace: Trace) -> list[int]:
    """Return the layers that had no signal in the last epoch of training."""
    return [int(number) for number in str(trace.attributes.get("silent_layers", "")).split()]


def _backprop_in_disguise(trace: Trace) -> list[str]:
    """Where little inference leaves the direction of backpropagation as it is (EO paper, C.2)."""
    cosine, ratio = (trace.training.get(name, np.empty((0, 0))) for name in ("cosine", "norm_ratio"))
    # Without a hidden layer there is nothing but the output's gradient, and a layer without signal learns otherwise.
    if cosine.shape[0] == 0 or cosine.shape[1] < 2 or not cosine.min() > DISGUISED:
        return []
    # Rounded down: it is said to be a lower bound.
    least = min(np.floor(1e4 * cosine.min()) / 1e4, 0.9999)
    return [
        f"The weight gradients were backpropagation's in all but scale: cosine {least:.4f} or more in every "
        f"layer and epoch, norms {ratio.min():.2g} to {ratio.max():.2g} times as large, which optimisers such as Adam "
        "hide. For updates of predictive coding's own, take a larger inference.step_size × inference.steps."
    ]


def of_inference(trace: Trace) -> list[str]:
    """Return sentences on what a run of inference could not carry."""
    noise = noise_of(trace)
    if noise is not None:
        temperature = trace.attributes.get("noise", 0.0)
        return [f"{f'The temperature is {temperature:g}' if temperature else 'Rounding is stochastic'}: {noise}."]
    sentences = [*_silent(trace), *_uncontrolled(trace)]
    precision = str(trace.attributes.get("solver_precision", trace.attributes["precision"]))
    if precision != trace.attributes["precision"]:
        sentences.append(
            f"The solver computed in {precision}: {trace.attributes['precision']} is the type of parameters, data and "
            "results, and does nothing in between."
        )
    if precision in FORMATS and trace.attributes["method"] in STORING_STATES:
        sentences += underflow(trace)
        # Where the output is free there is no signal to lose.
        loses = trace.attributes.get("form") != "increment" and trace.attributes.get("free") != "output"
        sentences += [*_late(trace, precision), *_rounded_away(trace, precision)] if loses else []
    return sentences


def noise_of(trace: Trace) -> str | None:
    """Return what noise does to the errors of a run, None where there is none."""
    if trace.attributes.get("rounding") == "stochastic":
        return "errors of about one unit in the last place come and go in every layer, and arrival steps say nothing"
    if "noise" in trace.attributes:
        return "noise moves every layer from the first step on, and arrival times say nothing"
    return None


def _silent_layers(trace: Trace) -> list[int]:
    """Return the layers that no signal reached in the inference that a trace holds."""
    return _numbers(trace.arrival_steps < 0) if "arrival_step" in trace and noise_of(trace) is None else []


def _stopped(trace: Trace) -> list[str]:
    """A callback that ended the run, or a stop rule that did not."""
    if "stopped_by" in trace.attributes:
        return [f"The callback {trace.attributes['stopped_by']} ended inference {_passed(trace)}."]
    return _unmet(trace)


def _unmet(trace: Trace) -> list[str]:
    """A stop rule that did not end the run; layers that it waited for in vain are named with it."""
    rule = str(trace.attributes.get("stop", ""))
    if not rule or trace.attributes["converged"] or trace.status != "complete":
        return []
    if trace.equilibria:
        return not_at_equilibrium(trace)
    silent = _silent_layers(trace) if "arrival" in rule else []
    missing = f": no signal reached {layers(silent)}" if silent else ""
    return [f"The stop rule ({rule}) was not met {_passed(trace)}{missing}."]


def _passed(trace: Trace) -> str:
    """Return how long inference went on: `in 64 steps`."""
    if _flows(trace):
        return f"up to time {trace.last_clock:g}"
    return f"in {count(int(trace.attributes.get('steps_taken', trace.last_clock)), 'step')}"


def _silent(trace: Trace) -> list[str]:
    silent = _silent_layers(trace)
    # What is true of training too is said there.
    if not silent or silent == silent_in_training(trace) or trace.attributes.get("free") == "output":
        return []
    their = "its" if len(silent) == 1 else "their"
    return [
        f"No signal reached {layers(silent)} {_passed(trace)}: {their} errors are "
        f"exactly zero in {trace.attributes['precision']}, so {their} weights would not change."
    ]


def _uncontrolled(trace: Trace) -> list[str]:
    """Adaptive steps: where errors are smaller than what a step may be wrong by, their digits are nobody's care."""
    atol = float(trace.attributes.get("atol", 0.0))
    below = _numbers(np.array([0 < _rms(error) < atol for error in trace.final_errors[:-1]], dtype=bool))
    if not below:
        return []
    their = "its" if len(below) == 1 else "their"
    return [
        f"The signal in {layers(below)} is below the solver's absolute tolerance: nothing controls {their} digits. "
        f"Use an inference.atol smaller than {atol:g}."
    ]


def _late(trace: Trace, precision: str) -> list[str]:
    """States are stored: a front that stalled until the signal had grown past one ulp.

    In continuous time no step is due: a signal is everywhere at once, and a solver's step carries it some layers.
    """
    if _flows(trace):
        return []
    due, arrivals = _due(trace), trace.arrival_steps[:-1]
    late = _numbers(arrivals > due)
    if not late:
        return []
    worst = max(late, key=lambda i: int(arrivals[i] - due[i]))
    return [
        f"The signal came late to {layers(late)} (to layer {worst} at step {arrivals[worst]} instead of {due[worst]}): "
        f"until then {_way(trace)} in {precision} rounded it away."
    ]


def _rounded_away(trace: Trace, precision: str) -> list[str]:
    """States are stored: where the errors' root mean square is below one ulp of the states', rounding decides."""
    unit = FORMATS[precision].unit
    below = [
        bool(np.any(state)) and _rms(error) < unit * 2.0 ** np.floor(np.log2(_rms(state)))
        for state, error in zip(trace.final_states[:-1], trace.final_errors[:-1], strict=True)
    ]
    deaf = _numbers(np.array(below, dtype=np.bool_) & _is_due(trace))
    if not deaf:
        return []
    use = 'inference.form = "increment", inference' if "form" in trace.attributes else "inference"
    return [
        f"The signal in {layers(deaf)} is below one unit in the last place of the states: {_way(trace)} in {precision} "
        f'rounds it away. Use {use}.method = "error" or a wider precision; pcsim compare shows the difference.'
    ]


def _way(trace: Trace) -> str:
    """Return in words what forms an error as the difference of a state and its prediction."""
    return "the standard form" if "form" in trace.attributes else "storing states"


def underflow(trace: Trace) -> list[str]:
    """Return a sentence on the increment form's only way to lose a signal: the end of the format's range."""
    precision = str(trace.attributes["precision"])
    if precision not in FORMATS or trace.attributes.get("form") != "increment" or "energy" not in trace:
        return []
    tiny = FORMATS[precision].smallest
    energy = trace.energy[:, :-1]
    floor = 0.5 * tiny**2 * np.asarray(trace.layer_widths[:-1], dtype=np.float64)
    below = np.any((energy > 0) & (energy < floor), axis=0)
    zero = _silent_below_a_signal(trace) if _flows(trace) else _underflowed_to_zero(trace, 100**2 * floor)
    found: NDArray[np.bool_] = below | zero
    lost = _numbers(found)
    if not lost:
        return []
    # The exact backend has no solvers: beyond float64 there is no wider type for a flow.
    if _flows(trace):
        remedy = "" if precision == "float64" else f" Use {WIDER[precision]}."
    else:
        remedy = f" Use a larger step size or {WIDER[precision]}."
    return [
        f"Errors in {layers(lost)} fell below {tiny:.1e}, where the normal range of {precision} ends: digits or the "
        f"whole signal were lost there.{remedy}"
    ]


def _silent_below_a_signal(trace: Trace) -> NDArray[np.bool_]:
    """Tell the layers of a flow whose energy was zero while the layer above had some: a flow carries it at once."""
    energy = trace.energy[np.asarray(trace.steps) > 0]
    return np.any((energy[:, :-1] == 0) & (energy[:, 1:] > 0), axis=0)


def _underflowed_to_zero(trace: Trace, faint: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell the layers that came late or never below one whose first energy was faint, or that came late itself.

    A signal moves one layer a step, or through all in one sweep; it can stay away for other reasons (dead units).
    """
    due, arrivals, energy = _due(trace), trace.arrival_steps[:-1], trace.energy
    hidden = len(due)
    late = _is_due(trace) & ((arrivals < 0) | (arrivals > due))
    found = np.zeros(hidden, dtype=np.bool_)
    for i in range(hidden - 2, -1, -1):
        above = energy[:, i + 1][energy[:, i + 1] > 0]
        found[i] = late[i] and (found[i + 1] or (above.size > 0 and above[0] < faint[i + 1]))
    return found


def _is_due(trace: Trace) -> NDArray[np.bool_]:
    """Return whether a signal is due by the end in every hidden layer; in continuous time from the first moment on."""
    due = _due(trace)
    return np.full(due.shape, trace.last_clock > 0) if _flows(trace) else due <= trace.attributes["steps_taken"]


def _due(trace: Trace) -> NDArray[np.int64]:
    """Return the step at which a signal is due in every hidden layer: one layer a step, or all in one sweep."""
    hidden, skip = len(trace.layer_names) - 1, int(trace.attributes.get("skip", 0))
    due = np.ones(hidden, dtype=np.int64)
    if trace.attributes["method"] != "sequential":
        for i in range(hidden - 2, -1, -1):
            above = [due[i + 1], *([due[i + skip]] if skip and i + skip < hidden else [])]
            due[i] = 1 + min(above)
    return due


def _flows(trace: Trace) -> bool:
    return trace.clock == "time"


def _rms(values: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def _numbers(chosen: NDArray[np.bool_]) -> list[int]:
    return [int(i) for i in np.flatnonzero(chosen)]
