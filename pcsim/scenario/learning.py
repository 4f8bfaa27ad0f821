"""The `[learning]` table: how the weights are trained."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool, StrictInt

from pcsim.extensions import KINDS
from pcsim.scenario.augment import AugmentWord
from pcsim.scenario.fields import (
    Allowed,
    Count,
    CountOrZero,
    Flag,
    Fraction,
    Inconsistency,
    NonNegative,
    Number,
    OpenWord,
    Positive,
    Table,
    clash,
)
from pcsim.scenario.inference import InferenceTable


class RateSchedule(Table):
    """How the learning rate changes, `schedule = { kind = "cosine", warmup = 0.1, peak = 1.1, final = 0.1 }`."""

    kind: Literal["constant", "cosine", "step"]
    """The same rate throughout, warm-up and then a cosine, or a factor every so many epochs."""
    warmup: Fraction = 0.1
    """Share of all updates in which kind = "cosine" goes from lr up to its peak."""
    peak: Positive = 1.1
    """Learning rate at the peak of kind = "cosine", in units of lr."""
    final: NonNegative = 0.1
    """Learning rate at the end of kind = "cosine", in units of lr."""
    every: Count = 5
    """Epochs after which kind = "step" multiplies the learning rate, again and again."""
    factor: Positive = 0.5
    """What kind = "step" multiplies the learning rate by."""


def _must_differ(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError
    return seeds


class LearningTable(Table):
    """How the weights are trained (`[learning]`)."""

    rule: Literal["pc", "forward", "incremental", "backprop"] = "pc"
    """Update after inference, after it with errors against the feedforward pass, after every step of it, or by
    backpropagation; if not given, as inference.method asks."""
    optimizer: Annotated[str, OpenWord("optimizer")] = "adam"
    """How an update follows the gradient; adamw has decoupled weight decay, mq one adaptive rate for each layer. On the
    backend jax also any optimizer of Optax that moves each array by its own gradient, as in "optax.lion"."""
    lr: Annotated[
        Positive | Annotated[tuple[Positive, ...], Field(min_length=1)],
        Allowed("a number greater than 0, or a list of them, one for each layer, the output's last"),
    ] = 1e-3
    """Learning rate, or one for each layer, the output's last; what is recorded of a list is its largest."""
    freeze: Annotated[
        Annotated[tuple[CountOrZero, ...], Field(min_length=1), AfterValidator(_must_differ)] | None,
        Allowed("a list of layers by their numbers, 0 the lowest, each once, as in [0, 1]"),
    ] = None
    """Layers, by number, whose parameters stay as they are; without it none."""
    epochs: Count = 10
    """How often all training samples are used."""
    batch: Count = 64
    """Samples in one update."""
    momentum: Fraction = 0.9
    """Momentum of optimizer = "momentum"."""
    beta1: Fraction = 0.9
    """Decay of the first moment of adam and adamw."""
    beta2: Fraction = 0.999
    """Decay of the second moment of adam and adamw."""
    eps: Positive = 1e-8
    """Safeguard of adam and adamw against division by zero."""
    options: Annotated[
        dict[str, StrictBool | StrictInt | Number] | None,
        Allowed("a table of numbers and flags by the names that Optax gives them, as in { b1 = 0.95 }"),
    ] = None
    """What an optimizer of Optax is made with beside lr; without it as Optax makes it."""
    rho: Fraction = 0.9999
    """Largest share of its former value that mq's moving average of gradient sizes keeps; 0.999 for convolutions."""
    r: Positive = 1e-6
    """Safeguard of mq against division by zero."""
    lr_min: NonNegative = 1e-3
    """Rate of mq that no layer falls below."""
    weight_decay: NonNegative = 0.0
    """Weight decay, added to the gradient (sgd, momentum, adam) or apart from it (adamw)."""
    schedule: Annotated[
        RateSchedule | None,
        Allowed('a table, as in { kind = "cosine" } or { kind = "step", every = 5, factor = 0.5 }'),
    ] = None
    """How the learning rate changes: kind = "cosine" with warmup, peak and final, or kind = "step" with every and
    factor; without it not at all."""
    patience: Annotated[Count | None, Allowed("a whole number, 1 or more")] = None
    """Epochs without a better validation (or test) loss before training stops, at the best weights; without it none."""
    patience_by: Annotated[
        Literal["loss", "accuracy"] | None, Allowed('"loss" or "accuracy"', ("loss", "accuracy"))
    ] = None
    """What patience waits for: a smaller loss, or a larger accuracy; without it the loss."""
    clip: Annotated[Positive | None, Allowed("a number greater than 0")] = None
    """Largest norm of the gradient of all parameters together; without it there is no limit."""
    scale: Literal["none", "per-layer"] = "none"
    """Whether each array's gradient is brought into range first, so that layers with a decayed signal learn as fast."""
    normalise: Literal["none", "variance"] = "none"
    """Whether weights are divided after every update by (√m + √n) times the standard deviation of their entries, m × n
    a matrix, which makes their spectral norm about 1."""
    precisions: Annotated[
        Literal["gradient", "natural"] | None, Allowed('"gradient" or "natural"', ("gradient", "natural"))
    ] = None
    """How the precisions of hidden layers are learned beside the weights, from network.precisions on: by the gradient
    of the energy with respect to log γ, or by the natural gradient; without it they stay."""
    precision_lr: Positive = 1e-2
    """Learning rate of the precisions, less than 1 where precisions = "natural"."""
    seeds: Annotated[
        Annotated[tuple[CountOrZero, ...], Field(min_length=1), AfterValidator(_must_differ)] | None,
        Allowed("a list of whole numbers, 0 or more, each once, as in [0, 1, 2]"),
    ] = None
    """Seeds for each of which everything is repeated; without it the scenario's seed alone."""
    checkpoint: Count = 1
    """Epochs between two checkpoints."""
    evaluate: Annotated[Count | None, Allowed("a whole number, 1 or more")] = None
    """Updates after which the validation and test samples are measured, again and again, besides at the end of every
    epoch; without it then alone."""
    augment: AugmentWord = None
    """Random changes of images in every update, drawn from seed and update; those that are only evaluated stay as they
    are. Without it there are none."""
    drop_last: Flag = True
    """Whether samples that fill no batch are left out of an epoch, others each time; else they are an update of their
    own, a smaller batch."""
    shuffle: Flag = True
    """Whether each epoch takes the samples in a random order of its own."""

    @property
    def largest_lr(self) -> float:
        """The learning rate, the largest of several: what a schedule changes, and a trace records."""
        return max(self.lr) if isinstance(self.lr, tuple) else self.lr


TRAINING_SOLVERS = ("euler", "heun")
"""Solvers that integrate inference in every update of training."""


def fits(rule: str, method: str) -> bool:
    """Tell whether a learning rule goes with an inference method."""
    if method not in KINDS["inference"].shipped:
        return rule != "backprop"
    at_the_end = tuple(word for word in KINDS["inference"].shipped if word != "backprop")
    methods = {
        "backprop": ("backprop",),
        "incremental": ("state", "sequential"),
        "forward": tuple(word for word in at_the_end if word not in ("equilibrium-propagation", "bidirectional")),
    }
    return method in methods.get(rule, at_the_end)


def learning_problems(learning: LearningTable, inference: InferenceTable, task: str) -> Iterator[Inconsistency]:
    """Yield what in the two tables, and the `task` of the data, does not go together."""
    yield from _rule_problems(learning, inference)
    yield from _free_problems(inference, task)
    if inference.solver is not None:
        yield from _solver_problems(learning, inference)
    if learning.precisions is not None:
        yield from _precision_problems(learning, inference)
    if inference.stop is not None and learning.rule == "incremental":
        why = "weights that change after every step need the same number of steps in every update"
        yield clash("inference.stop", f'learning.rule = "incremental": {why}', 'write rule = "pc", or remove stop')
    if inference.start in ("zeros", "normal") and inference.step_size == "auto":
        other = 'step_size = "auto" in training, which is for starts at the feedforward pass'
        yield clash(f'inference.start = "{inference.start}"', other, "give step_size a number, or choose another start")
    if learning.patience_by is not None and learning.patience is None:
        advice = "write how many epochs to wait, as in patience = 3, or remove it"
        yield clash(f'learning.patience_by = "{learning.patience_by}"', "patience, which is not given", advice)
    if inference.method == "equilibrium-propagation" and inference.free_steps >= inference.steps:
        advice = "write fewer, or more steps"
        other = f"steps = {inference.steps}, which leaves none with the target"
        yield clash(f"inference.free_steps = {inference.free_steps}", other, advice)
    if inference.steps == 0:
        advice = "write steps = 1 or more, or remove [learning]"
        yield clash("inference.steps = 0", "[learning], which needs settled errors", advice)


def _precision_problems(learning: LearningTable, inference: InferenceTable) -> Iterator[Inconsistency]:
    chosen = f'learning.precisions = "{learning.precisions}"'
    methods = ("state", "error", "sequential", "equilibrium")
    if inference.method not in methods:
        other = f'inference.method = "{inference.method}"'
        yield clash(chosen, other, f"choose {' or '.join(methods)}, or remove precisions")
    elif learning.rule != "pc":
        yield clash(chosen, f'rule = "{learning.rule}"', 'write rule = "pc", or remove precisions')
    if learning.precisions == "natural" and learning.precision_lr >= 1.0:
        other = f"precision_lr = {learning.precision_lr}, from which variances can become negative"
        yield clash(chosen, other, "write a rate less than 1")


def _free_problems(inference: InferenceTable, task: str) -> Iterator[Inconsistency]:
    if inference.output == "free":
        advice = 'write output = "clamped", or remove [learning]'
        yield clash('inference.output = "free"', "[learning], which learns from targets", advice)
    if inference.input == "free" and task != "autoencoding":
        text = (
            f'inference.input = "free" does not go with [learning] and data.task = "{task}", whose inputs are known; '
            'write input = "clamped", or task = "autoencoding" in [data] to learn from the samples alone'
        )
        yield Inconsistency(("inference.input", "data.task", "learning"), text)


def _solver_problems(learning: LearningTable, inference: InferenceTable) -> Iterator[Inconsistency]:
    solver = f'inference.solver = "{inference.solver}"'
    if inference.solver not in TRAINING_SOLVERS:
        yield clash(solver, "[learning], which takes euler or heun", "write one of these, or steps and step_size")
    elif learning.rule != "pc":
        yield clash(solver, f'learning.rule = "{learning.rule}"', 'write rule = "pc", or steps and step_size')
    if inference.noise > 0:
        other = "[learning], which draws no noise in continuous time"
        yield clash(f"inference.noise = {inference.noise}", other, "write noise = 0, or steps and step_size")


def _rule_problems(learning: LearningTable, inference: InferenceTable) -> Iterator[Inconsistency]:
    def with_inference(key: str, rule: str, other: str) -> Inconsistency:
        advice = f'write {key} = "{other}" in [inference] or rule = "{rule}" in [learning]'
        return clash(f'learning.rule = "{learning.rule}"', f'inference.{key} = "{getattr(inference, key)}"', advice)

    if not fits(learning.rule, inference.method):
        if inference.method == "backprop":
            yield with_inference("method", "backprop", "state")
        else:
            yield with_inference("method", "pc", "backprop" if learning.rule == "backprop" else "state")
    elif learning.rule in ("incremental", "forward"):
        # weights that change during inference need errors that follow from the states; small changes of states are lost
        # where they are recovered from the states
        for key, word in {"form": "standard", "predictions": "local"}.items():
            if getattr(inference, key) != word:
                yield with_inference(key, "pc", word)
        if learning.rule == "forward" and inference.input != "clamped":
            yield with_inference("input", "pc", "clamped")
        if learning.rule == "incremental" and inference.error_steps > 0:
            other = f"inference.error_steps = {inference.error_steps}, after which no state stands where its step led"
            yield clash('learning.rule = "incremental"', other, 'write error_steps = 0 or rule = "pc"')
