"""Equilibrium: the energy's minimum over the errors, every sample on its own way there (L-BFGS, Nocedal 1980)."""

import math
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple, cast

import numpy as np
from jaxtyping import Bool, Shaped

from pcsim.inference.base import Inference, Moving, OnEnergy, Traits
from pcsim.inference.error import ErrorOptimization
from pcsim.inference.gauss_newton import directions, pullbacks, within, worth
from pcsim.inference.pairs import PairNamespace, Pairs, clear, direction, in_a_row, no_pairs, push
from pcsim.inference.steppers import Stepper
from pcsim.model.arrays import Array, Namespace
from pcsim.model.energy import Clamped, Evaluation, States

PAIRS = 10
AFRESH = 15
"""Evaluations after which the curvature of the output loss is taken at the points reached."""
FIRST_STEP = 0.1
"""Times the gradient, where nothing is known of the curvature: short enough to stay in gradient descent's valley."""
SUFFICIENT = 1e-4
"""The share of the slope by which a step must lower the energy (Armijo)."""
STEEPEST_RISE = 0.5
"""The largest slope, as a share of that at the start, at the end of a step that has passed a minimum on its way."""
ROUNDING = 10.0
"""Units in the last place of an energy that rounding may move it by."""
SHRINK = (0.1, 0.5, 0.9)
"""Least share of a step that is tried next, largest after a rise, largest where the slope was too large."""
FALL = 0.9
"""The share of the least residual so far at which a sample is said to have come further."""
PATIENCE = 30
"""Evaluations without the least progress after which a sample is given up; at half of them its pairs are forgotten."""

SEARCHING, CONVERGED, STALLED = 0.0, 1.0, 2.0


class Search(NamedTuple):
    """Where every sample stands: its best point, and the trial from there that is evaluated next.

    Points are (batch, n), all errors in a row. The first Hessian differs from the identity in the directions `curved`,
    `natural` is its inverse times the gradient. (batch,) in the wide type: the `energy`, `slope` along `direction` and
    `residual` (norm of the gradient) at the best point, the `step` tried, the energy and residual at the last
    `progress`, `stale` evaluations since, `evaluations` in all or what costs as much, and the `status`.
    """

    trial: Shaped[Array, "batch n"]
    best: Shaped[Array, "batch n"]
    gradient: Shaped[Array, "batch n"]
    natural: Shaped[Array, "batch n"]
    curved: Shaped[Array, "batch rows n"]
    direction: Shaped[Array, "batch n"]
    pairs: Pairs
    energy: Shaped[Array, " batch"]
    slope: Shaped[Array, " batch"]
    residual: Shaped[Array, " batch"]
    step: Shaped[Array, " batch"]
    progress: tuple[Shaped[Array, " batch"], Shaped[Array, " batch"]]
    stale: Shaped[Array, " batch"]
    evaluations: Shaped[Array, " batch"]
    status: Shaped[Array, " batch"]


class _Trial(NamedTuple):
    energy: Shaped[Array, " batch"]
    gradient: Shaped[Array, "batch n"]
    natural: Shaped[Array, "batch n"]
    slope: Shaped[Array, " batch"]
    residual: Shaped[Array, " batch"]


@dataclass(frozen=True)
class Equilibrium(OnEnergy):
    """Minimises the energy over the errors (EO's variables) down to a norm of the gradient, `residual`, in each sample.

    One step is one evaluation of energy and gradient; the first Hessian costs some more, at the start and when it is
    `renewed`. A sample rests once it is there, or once rounding or a kink leaves no way down; after `evaluations` steps
    every sample stands at the best point it has found.
    """

    residual: float
    evaluations: int
    name = "equilibrium"
    traits = Traits(moves_errors=True, searches=True)

    def begin(self, xp: Namespace, clamped: Clamped, initial: States | None, stepper: Stepper) -> Search:
        """Return the initial errors, zeros if there are none, as the first trial."""
        if initial is None:
            initial = tuple(xp.zeros_like(s) for s in self.energy.feedforward(xp, clamped)[0])
        xp = cast("PairNamespace", xp)
        zero = xp.sum_of_squares(xp.zeros_like(clamped.y))
        start = self._joined(xp, clamped, initial)
        nothing, far = xp.zeros_like(start), zero + math.inf
        return Search(
            trial=start,
            best=start,
            gradient=nothing,
            natural=nothing,
            curved=self._curved(xp, clamped, start),
            direction=nothing,
            pairs=no_pairs(xp, start, PAIRS),
            energy=far,
            slope=zero,
            residual=far,
            step=zero,
            progress=(far, far),
            stale=zero,
            evaluations=zero + worth(self.energy),
            status=zero,
        )

    def evaluate(self, xp: Namespace, clamped: Clamped, carry: Search) -> Evaluation:
        """Return the evaluation at the trial, as error optimization has it."""
        return self.at(xp, clamped, carry.trial)

    def at(self, xp: Namespace, clamped: Clamped, flat: Shaped[Array, "batch n"]) -> Evaluation:
        """Return the evaluation at all errors in a row, as in a `Search`."""
        return ErrorOptimization(self.energy).evaluate(xp, clamped, Moving(self._split(flat), ()))

    def advance(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: Search, stepper: Stepper, step: Any
    ) -> Search:
        """Take the trial for the best point if it is better, and choose the next one."""
        xp = cast("PairNamespace", xp)
        gradient = self._joined(xp, clamped, point.gradient)
        tried = _Trial(
            self.energy.total(xp, clamped, point),
            gradient,
            within(carry.curved, gradient) if carry.curved.shape[1] else gradient,
            xp.dot(gradient, carry.direction),
            xp.sqrt(xp.dot(gradient, gradient)),
        )
        searching = carry.status == SEARCHING
        unit = ROUNDING * float(np.finfo(gradient.dtype).eps)
        accepted, too_far = _judged(xp, carry, tried, unit)
        now = _moved(xp, carry, tried, searching & accepted)
        now = _watched(xp, now, searching, unit, self.residual)
        now = _aimed(xp, now, tried, searching, searching & accepted, too_far)
        ahead = (now.status == SEARCHING) & (step < self.evaluations)
        trial = now.best + _column(now.step, now.best) * now.direction
        return now._replace(trial=xp.select(ahead, trial, now.best))

    def renews(self, step: int) -> bool:
        """Return whether `renewed` pays before the evaluation with this number."""
        return step > 0 and step % AFRESH == 0 and pullbacks(self.energy) > 0

    def renewed(self, xp: Namespace, clamped: Clamped, carry: Search) -> Search:
        """Return the search with its first Hessian taken at the best points, from which it starts anew."""
        xp = cast("PairNamespace", xp)
        searching = carry.status == SEARCHING
        curved = self._curved(xp, clamped, carry.best)
        natural = within(curved, carry.gradient)
        step = xp.where(searching, 1.0, 0.0)
        return carry._replace(
            trial=carry.best - _column(step, natural) * natural,
            natural=natural,
            curved=curved,
            direction=-natural,
            pairs=clear(xp, carry.pairs, searching),
            slope=-xp.dot(carry.gradient, natural),
            step=step,
            evaluations=carry.evaluations + worth(self.energy) * step,
        )

    def _curved(
        self, xp: PairNamespace, clamped: Clamped, flat: Shaped[Array, "batch n"]
    ) -> Shaped[Array, "batch rows n"]:
        if pullbacks(self.energy) == 0:
            return flat[:, None][:, :0]
        return directions(xp, self.energy, clamped, self.at(xp, clamped, flat))

    def _joined(self, xp: PairNamespace, clamped: Clamped, variables: States) -> Shaped[Array, "batch n"]:
        if not variables:
            return clamped.y[:, :0]
        return in_a_row(xp, variables)

    def _split(self, flat: Shaped[Array, "batch n"]) -> States:
        shapes = self.energy.network.state_shapes
        ends = [0, *np.cumsum([prod(shape) for shape in shapes]).tolist()]
        parts = (flat[:, first:last] for first, last in pairwise(ends))
        return tuple(part.reshape(part.shape[0], *shape) for part, shape in zip(parts, shapes, strict=True))


def search_of(inference: Inference) -> Equilibrium:
    """Return a method that `searches` as what it is; raises `TypeError` for others."""
    if not isinstance(inference, Equilibrium):
        raise TypeError(f"method '{inference.name}' looks for no equilibrium")
    return inference


def _judged(
    xp: PairNamespace, carry: Search, tried: _Trial, unit: float
) -> tuple[Bool[Array, " batch"], Bool[Array, " batch"]]:
    """Return which trials are good enough, and which of the others are low but went too far.

    Where rounding hides how much lower a trial is, its slope tells (Hager & Zhang 2005, approximate Wolfe).
    """
    start = carry.energy == math.inf
    falls = tried.energy <= carry.energy + SUFFICIENT * carry.step * carry.slope
    level = tried.energy <= carry.energy + unit * xp.abs(carry.energy)
    lower = falls | (level & (tried.slope <= (2.0 * SUFFICIENT - 1.0) * carry.slope))
    # In both comparisons NaN is no.
    finite = (tried.residual < math.inf) & (tried.energy < math.inf)
    over = tried.slope > STEEPEST_RISE * xp.abs(carry.slope)
    return finite & (start | (lower & ~over)), finite & lower & over


def _moved(xp: PairNamespace, carry: Search, tried: _Trial, accepted: Bool[Array, " batch"]) -> Search:
    """Return the search with accepted trials as best points, and their pairs; infinite slopes are never seen again."""
    curvature = carry.step * (tried.slope - carry.slope)
    change, natural = tried.gradient - carry.gradient, tried.natural - carry.natural
    pairs = push(xp, carry.pairs, accepted, carry.trial - carry.best, curvature, (change, natural), tried.gradient)
    return carry._replace(
        best=xp.select(accepted, carry.trial, carry.best),
        gradient=xp.select(accepted, tried.gradient, carry.gradient),
        natural=xp.select(accepted, tried.natural, carry.natural),
        pairs=pairs,
        energy=xp.where(accepted, tried.energy, carry.energy),
        residual=xp.where(accepted, tried.residual, carry.residual),
    )


def _watched(xp: PairNamespace, now: Search, searching: Bool[Array, " batch"], unit: float, threshold: float) -> Search:
    """Return the search with who has arrived and who has come no further for long."""
    energy, residual = now.progress
    further = (now.energy < energy - unit * xp.abs(now.energy)) | (now.residual < FALL * residual)
    stale = xp.where(further, 0.0, now.stale + 1.0)
    status = xp.where(stale >= PATIENCE, STALLED, SEARCHING)
    status = xp.where(now.residual <= threshold, CONVERGED, status)
    progress = (xp.where(further, now.energy, energy), xp.where(further, now.residual, residual))
    return now._replace(
        progress=progress,
        stale=stale,
        evaluations=now.evaluations + searching,
        status=xp.where(searching, status, now.status),
    )


def _aimed(
    xp: PairNamespace,
    now: Search,
    tried: _Trial,
    searching: Bool[Array, " batch"],
    accepted: Bool[Array, " batch"],
    too_far: Bool[Array, " batch"],
) -> Search:
    """Return the search with the next direction after a step, the next step along the old one elsewhere."""
    restarts = searching & (now.stale == PATIENCE // 2)
    turns = accepted | restarts
    plain = now.curved.shape[1] == 0
    square = now.residual * now.residual if plain else xp.dot(now.gradient, now.natural)
    aim, slope, pairs = direction(xp, clear(xp, now.pairs, restarts), now.natural, square)
    known = xp.sum(xp.where(pairs.kept, 1.0, 0.0), axis=1) > 0.0
    first = 1.0 if now.curved.shape[1] else xp.where(known, 1.0, FIRST_STEP)
    return now._replace(
        pairs=pairs,
        direction=xp.select(turns, aim, now.direction),
        slope=xp.where(turns, slope, now.slope),
        step=xp.where(turns, first, _shorter(xp, now, tried, too_far)),
    )


def _shorter(xp: PairNamespace, now: Search, tried: _Trial, too_far: Bool[Array, " batch"]) -> Shaped[Array, " batch"]:
    """Return the minimum of the cubic through energies and slopes at both ends of a step, within bounds.

    Nocedal & Wright (2006), eq. 3.59.
    """
    least, risen, passed = SHRINK
    step = xp.where(now.step > 0.0, now.step, 1.0)
    bend = now.slope + tried.slope - 3.0 * (tried.energy - now.energy) / step
    square = bend * bend - now.slope * tried.slope
    root = xp.sqrt(xp.maximum(square, 0.0))
    below = tried.slope - now.slope + 2.0 * root
    known = xp.abs(below) > 0.0
    share = xp.where(known, 1.0 - (tried.slope + root - bend) / xp.where(known, below, 1.0), least)
    share = xp.where(xp.abs(share) < math.inf, share, least)
    largest = xp.where(too_far, passed, risen)
    share = xp.where(share < least, least, xp.where(share > largest, largest, share))
    return share * step


def _column(values: Shaped[Array, " batch"], like: Shaped[Array, "batch n"]) -> Shaped[Array, "batch 1"]:
    return values[:, None].astype(like.dtype)
