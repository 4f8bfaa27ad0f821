"""One step of a variable of a block, in place: the core's steppers on a row of numbers."""

# Numba infers the types of what it compiles.
# pyright: basic

import math

from pcsim.engine.lowering import DESCENT, MOMENTUM, Motion
from pcsim_numba.kernels.compiled import part, stay_apart, stay_apart_and_wide
from pcsim_numba.kernels.elementary import root


@part
def shortened(motion, share):
    """Return a stepper whose steps are a share of what they were."""
    rest = motion.keep, motion.keep_squares, motion.eps, motion.decay, motion.clip
    return Motion(motion.kind, motion.memories, share * motion.step_size, *rest)


@part
def descend(motion, precision, errors, pulled, states):
    """Move states along γ ε − g in plain steps, of errors and what is pulled back to them."""
    stay_apart_and_wide()
    real = states.dtype.type
    scale, gamma = real(-motion.step_size), real(precision)
    for k in range(len(states)):
        states[k] += scale * (gamma * errors[k] - pulled[k])


@part
def descend_with(motion, precision, pulled, errors):
    """Move errors along g + γ ε in plain steps, of what is pulled back to them."""
    stay_apart_and_wide()
    real = errors.dtype.type
    scale, gamma = real(-motion.step_size), real(precision)
    for k in range(len(errors)):
        errors[k] += scale * (pulled[k] + gamma * errors[k])


@part
def descend_beside(motion, precision, pulled, errors, states, changes):
    """Move states along γ ε − g in plain steps, and their errors with them; write how far."""
    stay_apart_and_wide()
    real = states.dtype.type
    scale, gamma = real(-motion.step_size), real(precision)
    for k in range(len(states)):
        change = scale * (gamma * errors[k] - pulled[k])
        states[k] += change
        errors[k] += change
        changes[k] = change


@part
def move(motion, step, gradient, variable, first, second):
    """Move numbers along their gradient; `step` counts from 1, `first` and `second` are what the stepper remembers."""
    stay_apart()
    real = gradient.dtype.type
    slowed = real(1.0 + motion.decay * (step - 1))
    if motion.kind == DESCENT:
        scale = real(-motion.step_size)
        if slowed == real(1.0):
            for k in range(len(variable)):
                variable[k] += scale * gradient[k]
        else:
            for k in range(len(variable)):
                variable[k] += scale * gradient[k] / slowed
    elif motion.kind == MOMENTUM:
        scale, keep = real(-motion.step_size), real(motion.keep)
        for k in range(len(variable)):
            first[k] = keep * first[k] + gradient[k]
            variable[k] += scale * first[k] / slowed
    else:
        keep, share = real(motion.keep), real(1.0 - motion.keep)
        keep_squares, share_squares = real(motion.keep_squares), real(1.0 - motion.keep_squares)
        scale = real(-motion.step_size / (1.0 - math.pow(motion.keep, step)))
        whole = real(1.0 - math.pow(motion.keep_squares, step))
        eps = real(motion.eps)
        for k in range(len(variable)):
            first[k] = keep * first[k] + share * gradient[k]
            second[k] = keep_squares * second[k] + share_squares * gradient[k] * gradient[k]
            variable[k] += scale * first[k] / (root(second[k] / whole) + eps) / slowed
