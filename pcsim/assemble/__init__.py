"""From a scenario's words to the objects of a run: network, data, energy, inference, motion, task, learner."""

from pcsim.assemble.amortiser import build_amortiser_rule, require_amortiser
from pcsim.assemble.devices import require_shares
from pcsim.assemble.digests import data_sha256
from pcsim.assemble.inputs import (
    Hidden,
    Inputs,
    initial_parameters,
    load_inputs,
    load_samples,
    read_dataset,
    require_parameter_range,
)
from pcsim.assemble.learning import build_learner, build_optimizer, build_precision_rule, build_schedule, speeds_of
from pcsim.assemble.model import build_inference, build_network, hidden_units, inferring_with, method_of
from pcsim.assemble.own import (
    OwnWord,
    needs_this_process,
    origins,
    own_words,
    packages_of,
    require_known,
    require_lent,
    require_own,
    unknown_words,
)
from pcsim.assemble.precisions import require_precision_matrices, require_precision_rule
from pcsim.assemble.roles import named, sizes_key
from pcsim.assemble.step_size import CurvatureStepSize, build_step_size_finder, require_step_size
from pcsim.assemble.task import build_initial, build_stepper, build_task, number_of_steps
from pcsim.assemble.training_setup import (
    TrainingSetup,
    build_evaluation,
    build_training_setup,
    class_boundary,
    number_of_classes,
)

__all__ = [
    "CurvatureStepSize",
    "Hidden",
    "Inputs",
    "OwnWord",
    "TrainingSetup",
    "build_amortiser_rule",
    "build_evaluation",
    "build_inference",
    "build_initial",
    "build_learner",
    "build_network",
    "build_optimizer",
    "build_precision_rule",
    "build_schedule",
    "build_step_size_finder",
    "build_stepper",
    "build_task",
    "build_training_setup",
    "class_boundary",
    "data_sha256",
    "hidden_units",
    "inferring_with",
    "initial_parameters",
    "load_inputs",
    "load_samples",
    "method_of",
    "named",
    "needs_this_process",
    "number_of_classes",
    "number_of_steps",
    "origins",
    "own_words",
    "packages_of",
    "read_dataset",
    "require_amortiser",
    "require_known",
    "require_lent",
    "require_own",
    "require_parameter_range",
    "require_precision_matrices",
    "require_precision_rule",
    "require_shares",
    "require_step_size",
    "sizes_key",
    "speeds_of",
    "unknown_words",
]
