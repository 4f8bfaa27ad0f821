"""From a scenario's words to the objects of a run: network, data, energy, inference, motion, task."""

from pcsim.assemble.inputs import Inputs, load_inputs, named
from pcsim.assemble.model import build_inference, build_network
from pcsim.assemble.task import build_task

__all__ = ["Inputs", "build_inference", "build_network", "build_task", "load_inputs", "named"]
