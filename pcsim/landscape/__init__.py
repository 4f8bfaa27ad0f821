"""The landscape that learning descends: loss and equilibrated energy of linear networks as functions of the weights.

`deep_linear` has values and gradients for networks of any size, `hessian` their Hessians at any weights and `origin`
those at the origin in closed form; `chain` is the network with one unit a layer, `escape` how descent leaves its saddle
and `direction` where its steps point.
"""

from pcsim.landscape.chain import Chain
from pcsim.landscape.deep_linear import WeightLandscape, Weights, weight_landscape
from pcsim.landscape.direction import (
    angle,
    inferred_activity_step,
    nearest_optimum,
    newton_direction,
    trust_region_activity_step,
    trust_region_direction,
)
from pcsim.landscape.escape import Path, descent, escape_time, flow, stochastic_descent
from pcsim.landscape.hessian import energy_hessian, loss_hessian
from pcsim.landscape.origin import (
    energy_hessian_at_origin,
    energy_spectrum_at_origin,
    loss_hessian_at_origin,
    loss_spectrum_at_origin,
)

__all__ = [
    "Chain",
    "Path",
    "WeightLandscape",
    "Weights",
    "angle",
    "descent",
    "energy_hessian",
    "energy_hessian_at_origin",
    "energy_spectrum_at_origin",
    "escape_time",
    "flow",
    "inferred_activity_step",
    "loss_hessian",
    "loss_hessian_at_origin",
    "loss_spectrum_at_origin",
    "nearest_optimum",
    "newton_direction",
    "stochastic_descent",
    "trust_region_activity_step",
    "trust_region_direction",
    "weight_landscape",
]
