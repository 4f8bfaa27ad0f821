"""From a scenario's words to a training run: what is learned from, by whom, and how long."""

from dataclasses import dataclass

import numpy as np

from pcsim.assemble.inputs import Inputs, load_samples
from pcsim.assemble.learning import build_learner, build_schedule
from pcsim.assemble.model import method_of
from pcsim.assemble.step_size import build_step_size_finder
from pcsim.datasets import Dataset
from pcsim.errors import UsageError
from pcsim.learning.augmentation import Augmentation
from pcsim.learning.evaluation import (
    ForwardPass,
    FreePhase,
    LabelInference,
    OutputInference,
    Reconstruction,
    Scoring,
)
from pcsim.learning.pixels import whole
from pcsim.learning.plan import Advice, TrainingPlan, batches_of
from pcsim.learning.samples import DataParts, Split
from pcsim.learning.trainer import TrainingTask
from pcsim.model.network import Network
from pcsim.scenario import LearningTable, Scenario
from pcsim.typing import NDArray


@dataclass(frozen=True)
class TrainingSetup:
    """A training run made ready: the samples, the plan, and what a backend trains."""

    samples: DataParts
    plan: TrainingPlan
    task: TrainingTask

    @property
    def updates(self) -> int:
        """Updates of the whole plan."""
        return self.plan.epochs * self.plan.updates_per_epoch(len(self.samples.train.x))


def build_training_setup(
    scenario: Scenario, network: Network, dataset: Dataset, inputs: Inputs, precision: str
) -> TrainingSetup | None:
    """Return the training run of a scenario, or None where it has no `[learning]`.

    Raises `UsageError` for samples that do not fit the network or the plan.
    """
    table = scenario.learning
    if table is None:
        return None
    samples = load_samples(scenario, network, dataset)
    count = len(samples.train.x)
    if table.batch > count:
        raise UsageError(
            f"{scenario.where('learning.batch')}: a batch of {table.batch}, but there are {count} training samples; "
            f"use {count} or fewer"
        )
    for key in ("patience", "evaluate"):
        if getattr(table, key) is not None and samples.validation is None and samples.test is None:
            purpose = "stop by" if key == "patience" else "measure"
            raise UsageError(
                f"{scenario.where(f'learning.{key}')}: there are neither validation nor test samples to {purpose}; "
                "set data.validation, as in 0.1"
            )
    evaluation = build_evaluation(scenario, dataset, samples.train)
    plan = TrainingPlan(
        build_schedule(scenario, batches_of(count, table.batch, drop_last=table.drop_last)),
        table.epochs,
        table.batch,
        scenario.seed if table.shuffle else None,
        table.patience,
        table.checkpoint,
        number_of_classes(scenario, dataset, evaluation.truth(*samples.train)),
        _advice(scenario, table),
        evaluation,
        build_step_size_finder(scenario, network),
        class_boundary(scenario, dataset),
        table.drop_last,
        table.patience_by == "accuracy",
        table.evaluate,
    )
    if plan.by_accuracy and not plan.classes:
        raise UsageError(
            f"{scenario.where('learning.patience_by')}: there are no classes, and so no accuracy to wait for; "
            'use patience_by = "loss"'
        )
    # An automatic step size is the plan's affair: it changes with the weights.
    started = scenario if plan.step_size_finder is None else scenario.at_step_size(1.0)
    learner, augmentation = build_learner(started, network), _augmentation(scenario, network, dataset)
    task = TrainingTask(
        learner, inputs.parameters, *samples.train, precision, evaluation, augmentation, scenario.backend.devices
    )
    return TrainingSetup(samples, plan, task)


def _advice(scenario: Scenario, table: LearningTable) -> Advice:
    """Return what to change where training diverges: what is sure not to be the cause is left out."""
    inference, traits = scenario.inference, method_of(scenario).traits
    takes_steps = not (traits.backpropagates or traits.searches) and inference.tolerances is None
    shorter = ["inference.step_size"] if takes_steps and inference.step_size != "auto" else []
    if inference.error_step_size is not None:
        shorter.append("inference.error_step_size")
    later = f"use a smaller {' or '.join(['learning.lr', *shorter])}"
    if table.scale == "none":
        later += ", or learning.clip"
    if table.rule == "incremental":
        return Advice(later, later)
    steps = f"a smaller {' or '.join(shorter)}, or " if shorter else ""
    return Advice(f"no weight has moved yet: use {steps}smaller initial weights or data", later)


def _augmentation(scenario: Scenario, network: Network, dataset: Dataset) -> Augmentation | None:
    """Return what becomes of images before an update; what is beyond them is what no light makes."""
    if scenario.learning is None or scenario.learning.augment is None:
        return None
    words, channels = scenario.learning.augment, network.input_shape[-1]
    black = dataset.scaling(np.zeros((1, channels)))
    return Augmentation(words.flip, words.crop, scenario.seed, tuple(black[0].tolist()))


def build_evaluation(scenario: Scenario, dataset: Dataset, train: Split) -> Scoring:
    """Return how a scenario's network is measured on samples like these, of a data set."""
    if scenario.inference.input == "free":
        return Reconstruction()
    if method_of(scenario).traits.has_phases:
        return FreePhase(scenario.inference.free_steps)
    moves = not method_of(scenario).traits.freezes_predictions
    infers_labels = moves and scenario.data.task == "generative" and _are_classes(whole(train.x), dataset)
    if infers_labels:
        return LabelInference()
    return OutputInference() if method_of(scenario).traits.predicts_down else ForwardPass()


def number_of_classes(scenario: Scenario, dataset: Dataset, truth: NDArray[np.float64]) -> int:
    """Return the number of classes that answers can be, 0 where nothing is classified.

    Labels that an input was inferred from are no answers. One unit tells two classes apart where the whole data set has
    but two labels.
    """
    known = scenario.data.task != "autoencoding" and scenario.inference.input != "free"
    return max(truth.shape[1], 2) if known and _are_classes(truth, dataset) else 0


def class_boundary(scenario: Scenario, dataset: Dataset) -> float:
    """Return the output of one unit above which it says the second of two classes: a logit's is 0."""
    if scenario.data.task == "supervised" and scenario.inference.loss == "binary-cross-entropy":
        return 0.0
    return 0.0 if dataset.two_labels is None else sum(dataset.two_labels) / 2


def _are_classes(rows: NDArray[np.float64], dataset: Dataset) -> bool:
    """Tell whether inputs or targets (samples, units) are two labels of one unit, or one-hot, be it as they are."""
    if rows.shape[1] == 1:
        return dataset.two_labels is not None
    return bool(np.isin(rows, (0.0, 1.0)).all() and (rows.sum(axis=1) == 1).all())
