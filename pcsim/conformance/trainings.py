"""What is compared of learning: learner × optimiser × precision, and what can be asked beside."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from pcsim.assemble.learning import RULES as LEARNING_RULES
from pcsim.conformance.agreement import assert_close
from pcsim.conformance.cases import METHODS, make_case, mirrored
from pcsim.conformance.covering import FEW, covering
from pcsim.conformance.subject import Subject
from pcsim.inference import ErrorsFirst, Halving, Inference, Langevin, StartingAt, with_free_input
from pcsim.inference.steppers import Clipped, GradientDescent
from pcsim.inference.stopping import StopRule
from pcsim.learning import MQ, SGD, Adam, AdamW, AmortiserRule, AtTheEnd, Learner, Momentum, PerLayer
from pcsim.learning.evaluation import Reconstruction
from pcsim.learning.pixels import pixels
from pcsim.learning.trainer import TrainingTask
from pcsim.model.activations import Tanh
from pcsim.model.initialisers import Orthogonal
from pcsim.model.network import AMORTISER, dense_chain
from pcsim.typing import NDArray

SAMPLES, BATCH, UPDATES = 24, 6, 6
RATES = np.linspace(0.02, 0.01, UPDATES)
BATCHES = np.random.default_rng(3).permuted(np.tile(np.arange(SAMPLES), (UPDATES, 1)), axis=1)[:, :BATCH]
LEARNERS: dict[str, tuple[str, str]] = {
    "state": ("pc", "state"),
    "error": ("pc", "error"),
    "increment": ("pc", "increment"),
    "fixed": ("pc", "fixed"),
    "sequential": ("pc", "sequential"),
    "augmented-lagrangian": ("pc", "augmented-lagrangian"),
    "precision-weighted": ("pc", "precision-weighted"),
    "equilibrium-propagation": ("pc", "equilibrium-propagation"),
    "bidirectional": ("pc", "bidirectional"),
    "forward": ("forward", "state"),
    "incremental": ("incremental", "state"),
    "incremental-sequential": ("incremental", "sequential"),
    "backprop": ("backprop", "backprop"),
}
"""The rule that a backend claims, and the method in its form."""
# Divided by 1e-8, differences that rounding decides would decide an update.
OPTIMIZERS = {
    "sgd": SGD(1e-3),
    "momentum": Momentum(0.9),
    "adam": Adam(eps=1e-3),
    "adamw": AdamW(weight_decay=0.1, eps=1e-3),
    "mq-per-layer": PerLayer(MQ()),
}
TOLERANCE = {"float64": 1e-10, "float32": 4e-3}
"""Of |a| + 10⁻³ max|a|; in float32 numpy's own distance from float64 is up to 2.9e-3 (incremental)."""
RULES = {
    "arrival": StopRule(arrival=True),
    "relative-change": StopRule(relative_change=0.3),
    "grad-norm": StopRule(grad_norm=0.05),
}
VARIANTS = (
    "free-input",
    "incremental-free-input",
    "halving",
    "incremental-halving",
    "bytes",
    "speeds",
    *RULES,
    "clipped",
    "errors-first",
    "noise",
    "incremental-noise",
    "normal-start",
    "amortised",
)


class TrainingCase(NamedTuple):
    """Some updates of a small network."""

    learner: str
    optimizer: str
    precision: str


def training_cases_of(subject: Subject, strength: int) -> list[TrainingCase]:
    """Return what a backend claims of learning; one learner a rule where they are to be few."""
    learners = _learners(subject)
    if strength == FEW:
        learners = list({LEARNERS[learner][0]: learner for learner in reversed(learners)}.values())
        turns = zip(learners, ("adam", "momentum", "mq-per-layer"), strict=False)
        return [TrainingCase(*words, subject.precision) for words in turns]
    levels: list[Sequence[str]] = [learners, tuple(OPTIMIZERS), subject.able.precisions]
    if not learners:
        return []
    return [TrainingCase(*words) for words in covering(levels, strength)]


def training_variants_of(subject: Subject, strength: int) -> list[str]:
    """Return what a backend that learns by predictive coding may be asked for beside that."""
    learners = _learners(subject)
    found = [what for what in VARIANTS if ("incremental" if what.startswith("incremental") else "state") in learners]
    found = [what for what in found if what != "amortised" or subject.able.amortises]
    return [] if strength == FEW else found


def _learners(subject: Subject) -> list[str]:
    able = subject.able
    return [name for name, (rule, form) in LEARNERS.items() if rule in able.rules and form in subject.forms]


def training_task(which: TrainingCase) -> TrainingTask:
    """Return the task of some updates."""
    rule, form = LEARNERS[which.learner]
    case = make_case("gelu", widths=(5, 6, 6, 3), loss="cross-entropy", batch=SAMPLES)
    inference, parameters = mirrored(case, METHODS[form](case.energy))
    learner = Learner(
        inference,
        GradientDescent(0.2),
        1 if rule == "backprop" else 7,
        OPTIMIZERS[which.optimizer],
        LEARNING_RULES.get(rule, AtTheEnd()),
        clip=0.5,
    )
    return TrainingTask(learner, parameters, case.x, case.y, which.precision)


def variant_task(what: str, precision: str) -> TrainingTask:
    """Return the task of a variant."""
    task = training_task(
        TrainingCase("incremental" if what.startswith("incremental") else "state", "momentum", precision)
    )
    learner = task.learner
    if what == "bytes":
        draw = np.random.default_rng(4)
        stored = draw.integers(256, size=task.x.shape, dtype=np.uint8)
        return replace(task, x=pixels(stored, draw.standard_normal((256, task.x.shape[1]))))
    if what == "amortised":
        return _with_amortiser(task)
    changed = _changed_learner(what, learner)
    if changed is not None:
        return replace(task, learner=changed)
    learner = replace(learner, inference=with_free_input(learner.inference))
    return replace(task, learner=learner, parameters=({}, *task.parameters), evaluation=Reconstruction())


def _changed_learner(what: str, learner: Learner) -> Learner | None:
    """Return the learner of a variant that changes nothing else."""
    if what == "speeds":
        return replace(learner, speeds=(0.0, 0.5, 1.0))
    if what == "clipped":
        return replace(learner, stepper=Clipped(GradientDescent(0.2), 0.3))
    wrapped: dict[str, Callable[[Inference], Inference]] = {
        "errors-first": lambda inference: ErrorsFirst(inference, 2, 0.5),
        "noise": lambda inference: Langevin(inference, 7, temperature=0.05),
        "normal-start": lambda inference: StartingAt(inference, 7, normal=True),
    }
    if (wrap := wrapped.get(what.removeprefix("incremental-"))) is not None:
        return replace(learner, inference=wrap(learner.inference))
    if what.endswith("halving"):
        return replace(learner, inference=Halving(learner.inference), stepper=GradientDescent(1.5))
    return replace(learner, stop=RULES[what]) if what in RULES else None


def _with_amortiser(task: TrainingTask) -> TrainingTask:
    """Return a task that starts from what an amortiser guesses, which learns by an optimiser of its own."""
    energy = task.learner.inference.energy
    widths = (*energy.network.input_shape, *(units for (units,) in energy.network.layer_shapes))
    back = dense_chain(widths[::-1], Tanh())
    drawn = [{f"{AMORTISER}{k}": v for k, v in own.items()} for own in back.draw_parameters(Orthogonal(1.0), 3)]
    inference = task.learner.inference.with_energy(replace(energy, network=replace(energy.network, amortiser=back)))
    learner = replace(task.learner, inference=inference, amortiser=AmortiserRule(SGD(), 0.03))
    both = tuple(own | more for own, more in zip(task.parameters, reversed(drawn), strict=True))
    return replace(task, learner=learner, parameters=both)


def leaves(tree: Any) -> Iterator[NDArray[Any]]:
    """Yield all arrays of nested tuples and dicts in order."""
    if isinstance(tree, dict):
        tree = tuple(tree.values())
    if isinstance(tree, tuple):
        for part in tree:
            yield from leaves(part)
    elif tree is not None:
        yield np.asarray(tree)


def assert_trees_close(what: str, ours: Any, theirs: Any, tolerance: float) -> None:
    """Assert that nested arrays have the same types, and differ by no more than a tolerance."""
    for k, (a, b) in enumerate(zip(leaves(ours), leaves(theirs), strict=True)):
        assert a.dtype == b.dtype, f"{what}, array {k}: {a.dtype}; numpy has {b.dtype}"
        assert_close(f"{what}, array {k}: ", a, b, tolerance)


def assert_same_bits(what: str, ours: Any, theirs: Any) -> None:
    """Assert that nested arrays are the same to the bit."""
    for k, (a, b) in enumerate(zip(leaves(ours), leaves(theirs), strict=True)):
        assert a.dtype == b.dtype, f"{what}, array {k}: {a.dtype} and {b.dtype}"
        assert a.tobytes() == b.tobytes(), f"{what}, array {k}: not the same bits"
