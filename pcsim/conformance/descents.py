"""What is compared of discrete steps: method × loss × activation × order × precision, and what can be asked beside."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

from pcsim.conformance.agreement import RECORD
from pcsim.conformance.cases import ACTIVATIONS, LOSSES, METHODS, Case, make_case, make_task
from pcsim.conformance.covering import ALL, FEW, covering
from pcsim.conformance.subject import Subject
from pcsim.engine.backend import Backend, Task
from pcsim.engine.free_input import FreeInputBackend
from pcsim.inference import ErrorsFirst, Halving, Inference, Langevin
from pcsim.inference.steppers import Adam, Clipped, Decaying, GradientDescent, Momentum, Stepper
from pcsim.inference.stopping import StopRule
from pcsim.model.arithmetic import NARROW, Arithmetic
from pcsim.model.losses import NoTarget, PartlyClamped, SquaredError, Weighted

NETWORKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "skips": {"skip": 1, "bias": False},
    "mupc-long-skips": {"mupc": True, "skip": 2, "precisions": True, "decays": True},
}
# In float16 an ε of 1e-8 is 0.
STEPPERS: dict[str, Stepper] = {"gd": GradientDescent(0.1), "momentum": Momentum(0.05), "adam": Adam(0.05)}
STOP_RULES = {
    "arrival-and-change": StopRule(0.02, 0.1, arrival=True),
    "grad-norm": StopRule(grad_norm=1e-2),
    "relative-change": StopRule(relative_change=0.05),
    "arrival": StopRule(arrival=True),
}
LOSS_WORDS = (*LOSSES, "soft-clamped", "free-output")
ORDERS = ("weights-first", "activation-first")


class Combination(NamedTuple):
    """Every combination of the first five is one that users can ask for; the last two take turns."""

    method: str
    loss: str
    activation: str
    order: str
    precision: str
    network: str
    stepper: str


def combinations_of(subject: Subject, strength: int) -> list[Combination]:
    """Return combinations of what a backend claims."""
    factors = [subject.forms, LOSS_WORDS, tuple(ACTIVATIONS), ORDERS, subject.able.precisions]
    covered = [tuple(NETWORKS), tuple(STEPPERS)]
    if strength != ALL:
        return [Combination(*words) for words in covering([*factors, *covered], strength)]
    turns = list(product(*covered))
    # A stride without a common divisor with the factors: every network and stepper meets every word.
    return [Combination(*words, *turns[7 * k % len(turns)]) for k, words in enumerate(product(*factors))]


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
    # Adam divides by differences that rounding decides.
    narrow = which.precision in NARROW and which.stepper == "adam"
    return make_task(
        case,
        METHODS[which.method](energy),
        stepper=STEPPERS["gd" if narrow else which.stepper],
        steps=1 if which.method == "backprop" else 3,
        record=RECORD,
        precision=which.precision,
        initial=case.states if moved else None,
    )


class Variant(NamedTuple):
    """Something that can be asked for beside the factors, with a method that moves variables."""

    method: str
    what: str
    precision: str


def _plain(case: Case, inference: Inference, precision: str, **options: Any) -> Task:
    usual: dict[str, Any] = {"record": RECORD, "steps": 4, "precision": precision}
    return make_task(case, inference, **(usual | options))


def _small(**options: Any) -> Case:
    usual: dict[str, Any] = {"activation": "tanh", "widths": (4, 5, 5, 5, 3), "batch": 3}
    return make_case(**(usual | options))


def _own_start(method: str, precision: str) -> Task:
    case = _small()
    return _plain(case, METHODS[method](case.energy), precision, initial=case.states)


def _soft_clamp(method: str, precision: str) -> Task:
    case = _small(activation="sigmoid", clamp_precision=0.7, sigmoid_output=True)
    return _plain(case, METHODS[method](case.energy), precision)


def _masked_output(method: str, precision: str) -> Task:
    case = _small()
    loss = PartlyClamped(SquaredError(), (False, True, False))
    return _plain(case, METHODS[method](replace(case.energy, loss=loss)), precision)


def _halving(stepper: Stepper) -> Callable[[str, str], Task]:
    """Of methods whose steps descend; of others scenarios refuse it, and they are taken as they are."""

    def task(method: str, precision: str) -> Task:
        case = _small(batch=7, decays=True, precisions=True)
        inference = METHODS[method](case.energy)
        descends = inference.traits.descends or inference.traits.freezes_predictions
        # Adam divides by differences that rounding decides.
        own = GradientDescent(1.5) if precision in NARROW else stepper
        return _plain(case, Halving(inference) if descends else inference, precision, stepper=own, steps=12)

    return task


def _decaying(stepper: GradientDescent | Momentum) -> Callable[[str, str], Task]:
    def task(method: str, precision: str) -> Task:
        case = _small()
        return _plain(case, METHODS[method](case.energy), precision, stepper=Decaying(stepper, 0.5))

    return task


def _clipped(method: str, precision: str) -> Task:
    case = _small()
    # The gradient of some samples is longer.
    return _plain(case, METHODS[method](case.energy), precision, stepper=Clipped(GradientDescent(0.2), 0.3))


def _errors_first(method: str, precision: str) -> Task:
    """Of state optimization; others have no such steps and are taken as they are."""
    case = _small(decays=True, precisions=True)
    inference = METHODS[method](case.energy)
    return _plain(case, ErrorsFirst(inference, 2, 0.5) if method in ("state", "increment") else inference, precision)


def _noisy(method: str, precision: str) -> Task:
    """Of state and error optimization; others have no noise and are taken as they are."""
    case = _small(decays=True, precisions=True)
    inference = METHODS[method](case.energy)
    return _plain(
        case, Langevin(inference, 7, temperature=0.5) if method in ("state", "error") else inference, precision
    )


def _output_precision(loss: str) -> Callable[[str, str], Task]:
    def task(method: str, precision: str) -> Task:
        case = _small(loss=loss)
        return _plain(case, METHODS[method](replace(case.energy, loss=Weighted(case.energy.loss, 2.5))), precision)

    return task


def _sized(**options: Any) -> Callable[[str, str], Task]:
    def task(method: str, precision: str) -> Task:
        case = _small(**options)
        return _plain(case, METHODS[method](case.energy), precision)

    return task


def _rounded(**options: Any) -> Callable[[str, str], Task]:
    def task(method: str, precision: str) -> Task:
        case = _small()
        return _plain(case, METHODS[method](case.energy), precision, arithmetic=Arithmetic(**options))

    return task


VARIANTS: dict[str, Callable[[str, str], Task]] = {
    "own-start": _own_start,
    "soft-clamp-sigmoid-output": _soft_clamp,
    "masked-input": _sized(),
    "halving": _halving(GradientDescent(1.5)),
    "decaying-gd": _decaying(GradientDescent(0.2)),
    "free-input": _sized(),
    "masked-output": _masked_output,
    "decaying-momentum": _decaying(Momentum(0.1)),
    "halving-momentum": _halving(Momentum(0.6)),
    "halving-adam": _halving(Adam(0.7)),
    "one-layer": _sized(widths=(4, 3)),
    "odd-widths": _sized(widths=(9, 37, 70, 33, 3), batch=7, bias=False),
    "one-sample": _sized(batch=1),
    "many-samples": _sized(batch=130),
    "clipped": _clipped,
    "output-precision": _output_precision("squared-error"),
    "output-precision-ce": _output_precision("cross-entropy"),
    "errors-first": _errors_first,
    "noise": _noisy,
}
FREE_INPUTS: dict[str, tuple[bool, ...]] = {"free-input": (), "masked-input": (True, False, False, True)}
"""The units of the input that are held where it is free."""
ROUNDED = {"stochastic": _rounded(rounding="stochastic"), "narrow-sums": _rounded(accumulate="bfloat16")}


def variants_of(subject: Subject, strength: int) -> list[Variant]:
    """Return what a backend may be asked for beside the factors."""
    moving = [form for form in subject.forms if form != "backprop"]
    # The first are what no other combination has anything like.
    asked = list(VARIANTS)[: 6 if strength == FEW else None]
    levels = [moving, asked, subject.able.precisions]
    if not moving:
        return []
    found = [Variant(*words) for words in covering(levels, strength)]
    narrow = [precision for precision in NARROW if precision in subject.able.precisions]
    return found + [Variant(moving[0], what, precision) for what in ROUNDED for precision in narrow]


def variant_task(which: Variant) -> Task:
    """Return the task of a variant."""
    return (VARIANTS | ROUNDED)[which.what](which.method, which.precision)


def seen_by(backend: Backend, which: Variant) -> Backend:
    """Return what a backend is to whoever asks for a variant: a free input has a place of its own there."""
    held = FREE_INPUTS.get(which.what)
    return backend if held is None else FreeInputBackend(backend, held)
