"""What the studies of deep linear networks know exactly: equilibrium, its energy, curvatures, trajectories."""

import numpy as np

from pcsim.assemble import Inputs, build_inference, build_network, inferring_with
from pcsim.linear import LinearSystem, LinearTrajectory, linear_system
from pcsim.model.arrays import Values
from pcsim.scenario import Scenario


def equilibrium(scenario: Scenario, inputs: Inputs) -> tuple[Values, ...]:
    """Return the states (sample, unit) of every hidden layer at equilibrium; `UsageError` where it is not linear."""
    return system_of(scenario, inputs).equilibrium()


def loss_and_energy(scenario: Scenario, inputs: Inputs) -> tuple[float, float]:
    """Return the loss at the feedforward pass and the energy at equilibrium, as batch means (thesis 4.5, C.25)."""
    system = system_of(scenario, inputs)
    loss, energy = (
        system.layerwise(system.errors(system.join(at()))) for at in (system.feedforward, system.equilibrium)
    )
    return float(loss[-1]), float(energy.sum())


def trajectory(scenario: Scenario, inputs: Inputs) -> LinearTrajectory:
    """Return the exact solution of inference from the feedforward pass."""
    return system_of(scenario, inputs).trajectory()


def distance_left(path: LinearTrajectory, step: int, step_size: float) -> float:
    """Return the median over the samples of the distance from equilibrium after a step, over that at the start."""
    system = path.system
    states = np.concatenate(path.states(path.descent([step], step_size)), axis=-1)[0]
    end = system.join(system.equilibrium())
    left, start = (np.median(np.linalg.norm(place - end, axis=1)) for place in (states, path.start))
    return float(left / start)


def system_of(scenario: Scenario, inputs: Inputs) -> LinearSystem:
    """Return a scenario's network as the linear system that it is; `UsageError` where it is none."""
    energy = inferring_with(build_inference(scenario, build_network(scenario)), inputs.parameters).energy
    return linear_system(energy, inputs.parameters, inputs.x, inputs.y)
