"""A scenario in continuous time in place of discrete steps, what is said of their words, and the flow it asks for."""

from pcsim.assemble import build_network, build_task, load_inputs, read_dataset
from pcsim.engine.backend import Flow
from pcsim.scenario import Scenario
from tests.support.scenario_files import changed

HEUN = changed("steps = 20\nstep_size = 0.1\n", 'solver = "heun"\n')
DROPPED_SIZE = "dropped inference.step_size: meant for discrete steps, not for solver 'heun' (set by --set)"


def motion_of(scenario: Scenario) -> Flow:
    network = build_network(scenario)
    motion = build_task(scenario, network, load_inputs(scenario, network, read_dataset(scenario)), "float64").motion
    assert isinstance(motion, Flow)
    return motion
