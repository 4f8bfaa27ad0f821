"""What is compared with numpy: dynamics x loss x activation x order x precision, in tasks small enough to do all."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, product
from typing import Any, NamedTuple

from pcsim.engine.backend import Flow, Task
from pcsim.inference import ErrorOptimization, IncrementStateOptimization, StateOptimization
from pcsim.inference.steppers import Adam, GradientDescent, Momentum, Stepper
from pcsim.model.losses import NoTarget
from tests.conformance.agreement import RECORD
from tests.support.cases import ACTIVATIONS, LOSSES, METHODS, make_case, make_task

FLOWS = {"flow": StateOptimization, "flow-increment": IncrementStateOptimization, "flow-error": ErrorOptimization}
NETWORKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "skips": {"skip": 1, "bias": False},
    "mupc-long-skips": {"mupc": True, "skip": 2, "precisions": True, "decays": True},
}
STEPPERS: dict[str, Stepper] = {"gd": GradientDescent(0.1), "momentum": Momentum(0.05), "adam": Adam(0.05)}
FACTORS: dict[str, tuple[str, ...]] = {
    "method": tuple(METHODS),
    "loss": (*LOSSES, "soft-clamped", "free-output"),
    "activation": tuple(ACTIVATIONS),
    "order": ("weights-first", "activation-first"),
    "precision": ("float64", "float32"),
}
"""Every combination of these is one that users can ask for, and that a backend must run or refuse."""
COVERED: dict[str, tuple[str, ...]] = {"network": tuple(NETWORKS), "stepper": tuple(STEPPERS)}
"""These take turns."""


class Combination(NamedTuple):
    method: str
    loss: str
    activation: str
    order: str
    precision: str
    network: str
    stepper: str


def whole() -> list[Combination]:
    """Return the whole product."""
    turns = list(product(*COVERED.values()))
    # A stride without a common divisor with the factors: every network and stepper meets every word.
    return [Combination(*words, *turns[7 * k % len(turns)]) for k, words in enumerate(product(*FACTORS.values()))]


def pairwise(levels: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Yield few combinations in which every two words of different factors meet: the best of many draws at a time."""
    places = [[(f, w) for w in range(len(words))] for f, words in enumerate(levels)]
    pairs = [p for one, two in combinations(places, 2) for p in product(one, two)]
    left, draw = set(pairs), random.Random(0)
    while left:
        needed = min(left)
        drawn = [[draw.randrange(len(words)) for words in levels] for _ in range(60)]
        for words in drawn:
            for f, w in needed:
                words[f] = w
        met = [{((f, a), (g, b)) for (f, a), (g, b) in combinations(enumerate(w), 2)} & left for w in drawn]
        best = max(range(len(met)), key=lambda k: len(met[k]))
        left -= met[best]
        yield tuple(levels[f][w] for f, w in enumerate(drawn[best]))


def sample() -> list[Combination]:
    """Return combinations in which every two words meet, for backends that compile each for about half a second."""
    return [Combination(*words) for words in pairwise([*FACTORS.values(), *COVERED.values()])]


def task_of(which: Combination) -> Task:
    """Return a few steps of a small network."""
    options: dict[str, Any] = NETWORKS[which.network] | {"activation_first": which.order == "activation-first"}
    if which.loss == "soft-clamped":
        options |= {"clamp_precision": 0.7}
    elif which.loss in LOSSES:
        options |= {"loss": which.loss}
    case = make_case(which.activation, widths=(4, 5, 5, 5, 3), batch=3, **options)
    energy = replace(case.energy, loss=NoTarget()) if which.loss == "free-output" else case.energy
    # Without a target nothing moves from a feedforward pass; backpropagation has no other start.
    moved = which.loss == "free-output" and which.method != "backprop"
    return make_task(
        case,
        METHODS[which.method](energy),
        stepper=STEPPERS[which.stepper],
        steps=1 if which.method == "backprop" else 3,
        record=RECORD,
        precision=which.precision,
        initial=case.states if moved else None,
    )


def flow_of(method: str, activation: str, precision: str) -> Task:
    """Return a short flow of a small network with Euler's method, which every backend with continuous time has."""
    case = make_case(activation, widths=(4, 5, 5, 3), batch=2)
    motion = Flow("euler", (0.0, 0.3), step_size=0.1)
    return make_task(case, FLOWS[method](case.energy), motion=motion, record=RECORD, precision=precision)
