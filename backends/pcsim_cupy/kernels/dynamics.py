"""One step of every method, as products and launches. What a step sees and what it moves are apart."""

from typing import Protocol, runtime_checkable

from pcsim.engine.lowering import (
    BACKPROP,
    ERROR,
    INCREMENT,
    NOTHING,
    SEQUENTIAL,
    SEQUENTIAL_INCREMENT,
    STATE,
    lowered_method,
)
from pcsim.inference import Inference
from pcsim_cupy import kernels as k
from pcsim_cupy.kernels.buffers import Form
from pcsim_cupy.kernels.plan import Plan
from pcsim_cupy.kernels.work import Work
from pcsim_cupy.support import KERNELS


@runtime_checkable
class Dynamics(Protocol):
    """How a method looks at a step and moves on; `how` says besides whether the gradient is MEASURED."""

    def look(self, work: Work, known: int, how: int = 0) -> None:
        """Set errors and energies at the variables."""
        ...

    def advance(self, work: Work, how: int) -> None:
        """Take a step after a look."""
        ...

    def measure(self, work: Work) -> None:
        """Set the squares of the gradient after a look, and move nothing."""
        ...


class AllAtOnce:
    """States move together: two products for every group of equal layers, and two launches."""

    def look(self, work: Work, known: int, how: int = 0) -> None:
        """Form all errors."""
        work.forward_all(known)
        work.launch("look", how)

    def advance(self, work: Work, how: int) -> None:
        """Move all states."""
        work.back_all()
        work.launch("move", how | k.MOVES | k.LAST, count=work.plan.count - 1)

    def measure(self, work: Work) -> None:
        """Set the squares of all gradients."""
        work.back_all()
        work.launch("move", k.MEASURED, count=work.plan.count - 1)


class InTurn(AllAtOnce):
    """States move from the last to the first, errors formed anew with the newest."""

    def look(self, work: Work, known: int, how: int = 0) -> None:
        """Form all errors, and keep predictions and slopes."""
        super().look(work, known, how | k.KEPT)

    def advance(self, work: Work, how: int) -> None:
        """Sweep once."""
        if how & k.MEASURED:
            self.measure(work)
        for i in range(work.plan.count - 2, -1, -1):
            work.back(i + 1)
            work.launch("move", k.MOVES | k.FOLLOWED | (k.LAST if i == 0 else 0), i, 1)
            # Only a layer that another state of this sweep still reads is needed again.
            if NOTHING < work.plan.skips[i + 1] < i:
                work.forward(i + 1)
                work.launch("look", k.KEPT | k.QUIET, i + 1, 1)


class ByIncrements(AllAtOnce):
    """States move together, and errors by Δs − Δf."""

    def look(self, work: Work, known: int, how: int = 0) -> None:
        """Take the errors as they are carried."""
        work.launch("look", how | k.CARRIED)

    def advance(self, work: Work, how: int) -> None:
        """Move all states, then carry what that does to the predictions over to the errors."""
        super().advance(work, how | k.CHANGED)
        work.forward_all(1, _change(work.plan))
        work.launch("carry", k.SOURCE_MOVED | k.SKIP_MOVED | k.OWN_MOVED)


class InTurnByIncrements(ByIncrements):
    """States move from the last to the first, and with each the errors that it has a part in."""

    def advance(self, work: Work, how: int) -> None:
        """Sweep once."""
        plan = work.plan
        if how & k.MEASURED:
            self.measure(work)
        for i in range(plan.count - 2, -1, -1):
            work.back(i + 1)
            work.launch("move", k.MOVES | k.CHANGED | k.FOLLOWED | (k.LAST if i == 0 else 0), i, 1)
            work.forward(i + 1, _change(plan))
            work.launch("carry", k.SOURCE_MOVED | (k.SKIP_MOVED if plan.skips[i + 1] == i else 0), i + 1, 1)
            for j in range(i + 2, plan.count):
                if plan.skips[j] == i:
                    work.launch("carry", k.SKIP_MOVED, j, 1)


class Through:
    """Errors move along the gradient through the whole network: a pass up, and a chain of pullbacks down."""

    def look(self, work: Work, known: int, how: int = 0) -> None:
        """Pass from the input up, every state moved by its error."""
        work.launch("predict", k.PERTURBED, count=known)
        for i in range(known, work.plan.count):
            work.forward(i)
            work.launch("predict", k.PERTURBED, i, 1)
        work.launch("look", how | k.CARRIED)

    def advance(self, work: Work, how: int) -> None:
        """Go down, and move every error on the way."""
        self._down(work, how | k.MOVES, k.LAST)

    def measure(self, work: Work) -> None:
        """Go down, and set the squares of all gradients on the way."""
        self._down(work, k.MEASURED, 0)

    def _down(self, work: Work, how: int, last: int) -> None:
        for i in range(work.plan.count - 2, -1, -1):
            work.back(i + 1)
            work.launch("move", how | k.THROUGH | (last if i == 0 else 0), i, 1)


class Backpropagation(Through):
    """Errors are set to −∂ℓ/∂s on feedforward states, which never move."""

    def look(self, work: Work, known: int, how: int = 0) -> None:
        """Take the errors as they are."""
        work.launch("look", how | k.CARRIED)

    def _down(self, work: Work, how: int, last: int) -> None:
        super()._down(work, how | k.AT_ONCE, last)


def _change(plan: Plan) -> str:
    """Return the array with the change of what the layers' weights multiply."""
    return "pulled" if plan.activation_first else "totals"


_DYNAMICS: dict[int, Dynamics] = {
    STATE: AllAtOnce(),
    SEQUENTIAL: InTurn(),
    INCREMENT: ByIncrements(),
    SEQUENTIAL_INCREMENT: InTurnByIncrements(),
    ERROR: Through(),
    BACKPROP: Backpropagation(),
}


def dynamics_of(inference: Inference) -> Dynamics:
    """Return how a method steps; raises `UsageError` for one without kernels."""
    return _DYNAMICS[lowered_method(KERNELS, inference)]


def form_of(inference: Inference, plan: Plan, *, weights_move: bool = False) -> Form:
    """Return what a method needs of its arrays."""
    traits = inference.traits
    known = plan.count if traits.freezes_predictions else int(plan.starts or not weights_move)
    return Form(
        known,
        keeps=traits.is_sequential or traits.carries_errors,
        through=traits.moves_errors,
        increments=traits.carries_errors,
    )
