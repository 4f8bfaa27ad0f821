"""How many bits: those a user asks for, and those the arithmetic needs to deliver them.

The bits asked for are the relative accuracy of every energy. Balls widen at every operation, by the *absolute* row
sums of the weights where they pass a layer, so that the arithmetic works with more: guard bits, first guessed from
the weights and then corrected by what a run has lost.
"""

import math
import re
from itertools import pairwise

import numpy as np

from pcsim.engine.backend import Task
from pcsim.errors import UsageError
from pcsim.inference.steppers import innermost
from pcsim.model.arithmetic import EXACT_BITS
from pcsim.model.layers import Scale

LEAST_BITS = 53
MOST_BITS = 65536

_MARGIN = 32
_UNBOUNDED_STEPS = 1000
"""Steps to plan for where a stop rule is expected to end the run before its last step."""


def bits_asked(precision: str) -> int:
    """Return the bits that a precision word stands for: "exact", "512 bits" or "{ bits = 512 }".

    Raises `UsageError` for any other word and for bits out of range.
    """
    if precision == "exact":
        return EXACT_BITS
    found = re.fullmatch(r"(\d+) ?bits|\{? ?bits ?= ?(-?\d+) ?\}?", precision.strip())
    if found is None:
        raise UsageError(
            f"backend 'exact' has no precision '{precision}'; it has exact ({EXACT_BITS} bits) "
            f"and {{ bits = n }} for n from {LEAST_BITS} to {MOST_BITS}"
        )
    bits = int(found[1] or found[2])
    if not LEAST_BITS <= bits <= MOST_BITS:
        raise UsageError(f"bits = {bits} is out of range; the exact backend takes {LEAST_BITS} to {MOST_BITS} bits")
    return bits


def planned_steps(task: Task, step: int = 0) -> int:
    """Return the steps to plan for after `step`: all, or fewer where a stop rule may end the run early."""
    steps = task.descent.steps
    return steps if task.stop is None else min(steps, max(_UNBOUNDED_STEPS, 2 * step))


def first_guess(task: Task, bits: int) -> int:
    """Return a working precision from the absolute row and column sums of the weights.

    A state passed through a layer and back widens by (1 + a)², a the layer's sum; error optimization and
    backpropagation pass it through all layers in every step, state optimization through one.
    """
    doublings = [_log2_widening(task, i) for i in range(len(task.parameters))]
    forward = sum(doublings)
    through_all = task.inference.traits.moves_errors
    back_and_forth = 2.0 * (forward if through_all else forward / len(doublings))
    stepper = innermost(task.descent.stepper)
    step_size = getattr(stepper, "step_size", 1.0) / (1.0 - getattr(stepper, "momentum", 0.0))
    per_step = float(np.logaddexp2(0.0, math.log2(step_size) + back_and_forth))
    return math.ceil(bits + _MARGIN + forward + per_step * planned_steps(task))


def _log2_widening(task: Task, i: int) -> float:
    weights = [w.reshape(-1, w.shape[-1]) for w in task.parameters[i].values() if w.ndim > 1]
    sums = [np.abs(w).sum(axis=axis).mean() for w in weights for axis in (0, 1)]
    layer = task.inference.energy.network.layers[i]
    scale = math.prod(abs(part.factor) for part in layer.parts if isinstance(part, Scale))
    return math.log2(1.0 + scale * max(sums, default=1.0) + (len(layer.branches) - 1))


class Widening:
    """What a run at some working precision has lost so far, and what another would need."""

    def __init__(self, task: Task, bits: int, working: int) -> None:
        self._task = task
        self._bits = bits
        self._working = working
        self._lost: list[int] = []

    def note(self, accuracy: int) -> int | None:
        """Note the least relative accuracy of a step's energies, in bits.

        Returns the working precision to start again with if this is less than asked for, or bound to become so.
        """
        self._lost.append(self._working - accuracy)
        step = len(self._lost) - 1
        if accuracy < self._bits:
            return self._required(step, margin=1.1)
        checkpoint = step >= 8 and step & (step - 1) == 0
        # A loss that only the last few steps would show is not worth an early start from the beginning.
        if checkpoint and self._required(step, margin=0.8) > self._working + _MARGIN:
            return self._required(step, margin=1.1)
        return None

    def _required(self, step: int, margin: float) -> int:
        remaining = planned_steps(self._task, step) - step
        lost = self._lost[-1] + margin * self._rate(step) * remaining
        at_least = self._working + self._working // 4 if margin > 1 else 0
        return max(math.ceil(self._bits + lost + _MARGIN), at_least)

    def _rate(self, step: int) -> float:
        recent = self._lost[step // 2 :]
        if len(recent) < 2:
            return 0.0
        return max(sum(b - a for a, b in pairwise(recent)) / (len(recent) - 1), 0.0)
