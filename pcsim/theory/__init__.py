"""Theory: what is known of inference without simulating it (model: sections 3 and 4).

`signal` has the signal decay in closed form, `linear` the energy of deep linear networks as a quadratic form,
`trajectory` their exact trajectories, and `overlay` says which theory belongs to a trace.
"""

from pcsim.theory.linear import LinearSystem, largest_stable_step, linear_system
from pcsim.theory.signal import (
    arrival_steps,
    log10,
    log_binomial_profile,
    log_fixed_prediction_limit,
    log_fixed_prediction_profile,
    log_poisson_profile,
)
from pcsim.theory.trajectory import LinearTrajectory, linear_trajectory

__all__ = [
    "LinearSystem",
    "LinearTrajectory",
    "arrival_steps",
    "largest_stable_step",
    "linear_system",
    "linear_trajectory",
    "log10",
    "log_binomial_profile",
    "log_fixed_prediction_limit",
    "log_fixed_prediction_profile",
    "log_poisson_profile",
]
