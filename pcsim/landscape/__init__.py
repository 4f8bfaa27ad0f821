"""The landscape that learning descends: loss and equilibrated energy of linear networks as functions of the weights.

`deep_linear` has values and gradients for networks of any size, `hessian` their Hessians at any weights and `origin`
those at the origin in closed form; `chain` is the network with one unit a layer, `escape` how descent leaves its saddle
and `direction` where its steps point. For chains of dense layers with any activation `proximal` has the objective
L + ‖Δθ‖²/2β of updates from single samples, `implicit` its minimiser, and `inferred` what inference makes of it.
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
from pcsim.landscape.implicit import SampleLoss, explicit_step, implicit_step, second_order_step
from pcsim.landscape.inferred import inferred_step, usual_step
from pcsim.landscape.origin import (
    energy_hessian_at_origin,
    energy_spectrum_at_origin,
    loss_hessian_at_origin,
    loss_spectrum_at_origin,
)
from pcsim.landscape.proximal import TrialUpdates, dense_chain, trial_updates

__all__ = [
    "Chain",
    "Path",
    "SampleLoss",
    "TrialUpdates",
    "WeightLandscape",
    "Weights",
    "angle",
    "dense_chain",
    "descent",
    "energy_hessian",
    "energy_hessian_at_origin",
    "energy_spectrum_at_origin",
    "escape_time",
    "explicit_step",
    "flow",
    "implicit_step",
    "inferred_activity_step",
    "inferred_step",
    "loss_hessian",
    "loss_hessian_at_origin",
    "loss_spectrum_at_origin",
    "nearest_optimum",
    "newton_direction",
    "second_order_step",
    "stochastic_descent",
    "trial_updates",
    "trust_region_activity_step",
    "trust_region_direction",
    "usual_step",
    "weight_landscape",
]
