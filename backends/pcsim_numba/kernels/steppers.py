"""One step of a variable of a block, in place: the core's steppers on a row of numbers."""

# Numba infers the types of what it compiles.
# pyright: basic

import math

from pcsim.engine.lowering import DESCENT, MOMENTUM, Motion
from pcsim_numba.kernels.compiled import part, stay_apart
from pcsim_numba.kernels.elementary import root


@part
def shortened(motion, share):
    """Return a stepper whose steps are a share of what they were."""
    rest = motion.keep, motion.keep_squares, motion.eps, motion.decay
    return Motion(motion.kind, motion.memories, share * motion.step_size, *rest)


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
