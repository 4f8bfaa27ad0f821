"""One step of a variable of a block, in place: the core's steppers on a row of numbers."""

# Numba infers the types of what it compiles.
# pyright: basic

import math
from typing import NamedTuple

from pcsim_numba.kernels.compiled import part, stay_apart
from pcsim_numba.kernels.elementary import root

DESCENT, MOMENTUM, ADAM = range(3)


class Motion(NamedTuple):
    """A stepper: its kind and its numbers; those without use are 0. The step size is divided by 1 + decay (t−1)."""

    kind: int
    step_size: float
    keep: float
    keep_squares: float
    eps: float
    decay: float


@part
def shortened(motion, share):
    """Return a stepper whose steps are a share of what they were."""
    return Motion(motion.kind, share * motion.step_size, motion.keep, motion.keep_squares, motion.eps, motion.decay)


@part
def move(motion, step, gradient, variable, first, second):
    """Move numbers along their gradient; `step` counts from 1, `first` and `second` are what the stepper remembers."""
    stay_apart()
    real = gradient.dtype.type
    slowed = real(1.0 + motion.decay * (step - 1))
    if motion.kind == DESCENT:
        scale = real(-motion.step_size)
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
