"""Deep linear networks: what is known of their inference exactly (model: section 4; thesis chapters 4 and 5).

`system` takes a scenario, its name or a trace and returns the quadratic form of its energy: Hessian, spectrum,
equilibrium, equilibrated energy, exact trajectories. `marchenko_pastur` and `semicircle` are what large random matrices
tend to.
"""

from pcsim.linear.build import is_linear, linear_system, system
from pcsim.linear.densities import marchenko_pastur, marchenko_pastur_edges, semicircle, semicircle_edges
from pcsim.linear.grid import condition_numbers
from pcsim.linear.nudged import NudgedForm, nudged
from pcsim.linear.trajectory import LinearSystem, LinearTrajectory

__all__ = [
    "LinearSystem",
    "LinearTrajectory",
    "NudgedForm",
    "condition_numbers",
    "is_linear",
    "linear_system",
    "marchenko_pastur",
    "marchenko_pastur_edges",
    "nudged",
    "semicircle",
    "semicircle_edges",
    "system",
]
