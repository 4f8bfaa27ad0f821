"""From a scenario's words to the objects of a run: network, data, energy, inference, motion, task, learner."""

from pcsim.assemble.inputs import Inputs, load_inputs, named
from pcsim.assemble.learning import build_learner, build_schedule
from pcsim.assemble.model import build_inference, build_network
from pcsim.assemble.task import build_task

__all__ = [
    "Inputs",
    "build_inference",
    "build_learner",
    "build_network",
    "build_schedule",
    "build_task",
    "load_inputs",
    "named",
]
