"""From a scenario's words to the objects of a run: network, data, energy, inference, motion, task, learner."""

from pcsim.assemble.inputs import Inputs, load_inputs, named, read_dataset
from pcsim.assemble.learning import build_learner, build_schedule
from pcsim.assemble.lesson import Lesson, build_lesson
from pcsim.assemble.model import build_inference, build_network
from pcsim.assemble.task import build_task

__all__ = [
    "Inputs",
    "Lesson",
    "build_inference",
    "build_learner",
    "build_lesson",
    "build_network",
    "build_schedule",
    "build_task",
    "load_inputs",
    "named",
    "read_dataset",
]
