"""How good a network is on the data of its scenario: losses and accuracies."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from pcsim.assemble import (
    build_evaluation,
    build_inference,
    build_network,
    build_step_size_finder,
    build_stepper,
    class_boundary,
    load_samples,
    named,
    number_of_classes,
    number_of_steps,
    read_dataset,
    require_amortiser,
    require_parameter_range,
    require_step_size,
)
from pcsim.datasets import Dataset
from pcsim.engine.backend import TrainingBackend
from pcsim.engine.free_input import FreeInputBackend
from pcsim.engine.registry import load_backend, trainers_besides
from pcsim.errors import UsageError
from pcsim.learning import SGD, Learner
from pcsim.learning.evaluation import ForwardPass, Scoring
from pcsim.learning.metrics import classes_of, measures_of
from pcsim.learning.plan import SAMPLES_LOOKED_AT
from pcsim.learning.samples import DataParts, Split
from pcsim.learning.trainer import Trainer, TrainingTask
from pcsim.model.network import Network
from pcsim.recorded import called, check_parameters, parameters_of
from pcsim.recorded.embedded import Embedded, Tell, of_trace, of_weights, silently
from pcsim.scenario import GivenNetwork, Scenario, network_of, read_scenario
from pcsim.scenario.overrides import parse_overrides
from pcsim.trace import Trace, open_trace
from pcsim.trace.opening import is_hdf5
from pcsim.typing import NDArray
from pcsim.weights import read_parameters
from pcsim.words import Shown


@dataclass(frozen=True)
class Score:
    """How good a network is on some samples: mean loss and shares of right answers.

    `accuracy` is None where targets are no classes, `top_5` also where there are five classes or fewer; `answers` are
    the outputs or inferred labels (samples, units) that were measured, in file order, `predicted` and `actual` the
    classes (samples,) they and the targets say, None where there are none.
    """

    samples: int
    loss: float
    accuracy: float | None
    top_5: float | None
    answers: NDArray[Any] = field(repr=False, compare=False)
    predicted: NDArray[np.int64] | None = field(repr=False, compare=False)
    actual: NDArray[np.int64] | None = field(repr=False, compare=False)

    @property
    def confusion(self) -> NDArray[np.int64] | None:
        """How many samples of each class (rows) were taken for each (columns); None where there are no classes."""
        if self.predicted is None or self.actual is None:
            return None
        classes = max(self.answers.shape[1], 2)
        found = np.zeros((classes, classes), np.int64)
        np.add.at(found, (self.actual, self.predicted), 1)
        return found

    def __str__(self) -> str:
        measured = f"loss {self.loss:.4g}"
        return measured if self.accuracy is None else f"accuracy {100 * self.accuracy:.1f} % ({measured})"


@dataclass(frozen=True)
class Scores(Shown):
    """Scores by part of the data, None where it has no such part, and the scenario they are of."""

    training: Score
    validation: Score | None
    test: Score | None
    scenario: Scenario
    source: str
    """Where the data came from, in one line."""

    @property
    def parts(self) -> dict[str, Score]:
        """The scores there are, by part of the data."""
        parts = {"training": self.training, "validation": self.validation, "test": self.test}
        return {name: score for name, score in parts.items() if score is not None}

    def __repr__(self) -> str:
        return f"<Scores on {self.source}: {', '.join(f'{name} {score}' for name, score in self.parts.items())}>"


def evaluate(
    weights: str | Path | Trace,
    overrides: str | Sequence[str] = (),
    *,
    scenario: str | Path | None = None,
    backend: str | None = None,
    precision: str | None = None,
    allow: str | Sequence[str] = (),
    network: GivenNetwork | None = None,
    tell: Tell = silently,
) -> Scores:
    """Evaluate the network in a weights file or a trace on the data of its scenario, or of another one.

    `scenario` replaces the one inside; `overrides` are texts like "data.file=other.npz"; `tell` is called with lines on
    which data are read, before they are, and on others than the network's own; `allow` names modules to import, as in
    `verify`, and a `network` that was given to the run is given again. Raises `UsageError`, one line, for a
    file or data that cannot be used or do not fit each other, for data that the file names and that have changed since,
    and for a backend that cannot evaluate.
    """
    if not isinstance(weights, Trace) and is_hdf5(Path(weights)):
        with open_trace(weights) as trace:
            again = partial(evaluate, trace, overrides, scenario=scenario, backend=backend, precision=precision)
            return again(allow=allow, network=network, tell=tell)
    embedded = _embedded(weights, needed=scenario is None, allow=allow)
    if scenario is not None:
        chosen = read_scenario(scenario, overrides, backend=backend, precision=precision)
    else:
        chosen = embedded.parse(overrides, backend=backend, precision=precision)
    if network is not None:
        chosen = chosen.with_network(network_of(network))
    built = build_network(chosen)
    if isinstance(weights, Trace):
        parameters = check_parameters(weights, built, parameters_of(weights))
    else:
        parameters = read_parameters(Path(weights), built, chosen.network.layout)
    require_parameter_range(parameters, chosen.backend.precision_name, _name_of(weights))
    able = _training_backend(chosen)
    try:
        dataset = _dataset(embedded, chosen, scenario, overrides, tell)
    except UsageError as error:
        raise UsageError(f"{error}; --set data.file or data.name takes other data") from None
    if chosen.inference.output == "free":
        raise UsageError(
            f"{chosen.where('inference.output')}: there are no targets to evaluate with; set inference.output=clamped"
        )
    samples = load_samples(chosen, built, dataset)
    evaluation = build_evaluation(chosen, dataset, samples.train)
    judge = _Judge(
        _trainer(able, chosen, built, parameters, samples, evaluation),
        evaluation,
        number_of_classes(chosen, dataset, evaluation.truth(*samples.train)),
        class_boundary(chosen, dataset),
    )
    validation, test = (part and judge.score(part) for part in (samples.validation, samples.test))
    return Scores(judge.score(samples.train), validation, test, chosen, dataset.source)


def _name_of(weights: str | Path | Trace) -> str:
    return called(weights) if isinstance(weights, Trace) else str(weights)


def _embedded(weights: str | Path | Trace, *, needed: bool, allow: str | Sequence[str]) -> Embedded:
    if isinstance(weights, Trace):
        return of_trace(weights, needed=needed, allow=allow)
    return of_weights(Path(weights), needed=needed, allow=allow)


def _dataset(
    embedded: Embedded, chosen: Scenario, scenario: str | Path | None, overrides: str | Sequence[str], tell: Tell
) -> Dataset:
    given = {override.path for override in parse_overrides(overrides)}
    if scenario is not None or ("data", "name") in given:
        # Who asks for another data set knows that it is one.
        return read_dataset(chosen)
    return embedded.data(chosen, chosen=("data", "file") in given, tell=tell)


def _training_backend(scenario: Scenario) -> TrainingBackend:
    name = scenario.backend.name
    with named(scenario, "backend.name"):
        backend = load_backend(name)
        able = backend.capabilities()
        if able.problem is not None:
            raise UsageError(f"backend '{name}' cannot be used here: {able.problem}; {able.fix}")
        if not able.rules:
            raise UsageError(f"backend '{name}' cannot evaluate on data sets; use --backend {trainers_besides(name)}")
    require_amortiser(scenario, able)
    # What trains says so in its capabilities.
    return cast("TrainingBackend", backend)


def _trainer(
    backend: TrainingBackend,
    scenario: Scenario,
    network: Network,
    parameters: tuple[dict[str, NDArray[np.float64]], ...],
    samples: DataParts,
    evaluation: Scoring,
) -> Trainer:
    """Return a trainer that is only going to evaluate: what it would learn from is of no account."""
    table = scenario.inference
    if table.solver is not None and not isinstance(evaluation, ForwardPass):
        raise UsageError(
            f"{scenario.where('inference.solver')}: labels and free inputs are inferred in discrete steps; "
            "use --set inference.steps and step_size"
        )
    finder = build_step_size_finder(scenario, network)
    if finder is not None and isinstance(evaluation, ForwardPass):
        # Forward passes take no step of inference: any size will do.
        scenario = scenario.at_step_size(1.0)
    elif finder is not None:
        few = slice(SAMPLES_LOOKED_AT)
        found = finder.step_size(parameters, samples.train.x[few], samples.train.y[few])
        scenario = scenario.at_step_size(require_step_size(scenario, found))
    steps = max(number_of_steps(scenario), 1)
    learner = Learner(build_inference(scenario, network), build_stepper(scenario), steps, SGD())
    one = Split(samples.train.x[:1], samples.train.y[:1])
    task = TrainingTask(learner, parameters, *one, scenario.backend.precision_name, evaluation)
    able = FreeInputBackend(backend) if table.input == "free" else backend
    with named(scenario, "backend.precision"):
        return able.trainer(task)


@dataclass(frozen=True)
class _Judge:
    """What turns the answers of a network in evaluation into scores."""

    trainer: Trainer
    evaluation: Scoring
    classes: int
    boundary: float

    def score(self, split: Split) -> Score:
        outcome, truth = self.trainer.evaluate(split.x, split.y), self.evaluation.truth(*split)
        found = measures_of(outcome.losses, outcome.answers, truth, self.classes, self.boundary)
        accuracy, top_5 = (None if np.isnan(share) else share for share in (found.accuracy, found.top5))
        classes = None if accuracy is None else classes_of(outcome.answers, self.boundary)
        actual = None if accuracy is None else classes_of(truth, 0.0)
        return Score(len(split.x), found.loss, accuracy, top_5, outcome.answers, classes, actual)
