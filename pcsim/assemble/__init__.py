"""From a scenario's words to the objects of a run: network, data, energy, inference, motion, task, learner."""

from pcsim.assemble.inputs import Hidden, Inputs, initial_parameters, load_inputs, load_samples, read_dataset
from pcsim.assemble.learning import build_learner, build_optimizer, build_schedule
from pcsim.assemble.lesson import Lesson, build_evaluation, build_lesson, number_of_classes
from pcsim.assemble.model import build_inference, build_network
from pcsim.assemble.roles import named
from pcsim.assemble.step_size import CurvatureStepSize, build_step_size_finder, require_step_size
from pcsim.assemble.task import build_initial, build_stepper, build_task, number_of_steps

__all__ = [
    "CurvatureStepSize",
    "Hidden",
    "Inputs",
    "Lesson",
    "build_evaluation",
    "build_inference",
    "build_initial",
    "build_learner",
    "build_lesson",
    "build_network",
    "build_optimizer",
    "build_schedule",
    "build_step_size_finder",
    "build_stepper",
    "build_task",
    "initial_parameters",
    "load_inputs",
    "load_samples",
    "named",
    "number_of_classes",
    "number_of_steps",
    "read_dataset",
    "require_step_size",
]
