"""Output losses ℓ(ŷ, y): per-sample values, the output error −∂ℓ/∂ŷ and the curvature ∂²ℓ/∂ŷ².

Values are computed in the wide type from the output of the run; arrays are (batch, units).
"""

from pcsim.model.losses.cross_entropy import BinaryCrossEntropy, CrossEntropy
from pcsim.model.losses.free_units import NoTarget, PartlyClamped
from pcsim.model.losses.loss import Loss
from pcsim.model.losses.smooth import SmoothLoss
from pcsim.model.losses.squared_error import SoftClampedSquaredError, SquaredError
from pcsim.model.losses.weighted import Weighted, unweighted

__all__ = [
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Loss",
    "NoTarget",
    "PartlyClamped",
    "SmoothLoss",
    "SoftClampedSquaredError",
    "SquaredError",
    "Weighted",
    "unweighted",
]
