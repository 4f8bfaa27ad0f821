"""Theory: what is known of inference without simulating it (model: sections 3 and 4).

`signal` has the signal decay in closed form, and `overlay` says which theory belongs to a trace. Deep linear
networks have a package of their own, `pcsim.linear`.
"""

from pcsim.theory.signal import (
    arrival_steps,
    log10,
    log_binomial_profile,
    log_fixed_prediction_limit,
    log_fixed_prediction_profile,
    log_poisson_profile,
)

__all__ = [
    "arrival_steps",
    "log10",
    "log_binomial_profile",
    "log_fixed_prediction_limit",
    "log_fixed_prediction_profile",
    "log_poisson_profile",
]
