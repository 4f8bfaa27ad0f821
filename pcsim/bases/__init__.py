"""What a script derives its own things from: base classes that ask for the essential methods alone.

docs/extending.md has an example of each; `pcsim.register` gives them a name.
"""

from pcsim.datasets import Dataset
from pcsim.inference import (
    ErrorOptimization,
    Inference,
    SequentialStateOptimization,
    StateOptimization,
    Traits,
)
from pcsim.inference.base import Moving, Simultaneous
from pcsim.inference.steppers import PlainStepper
from pcsim.learning.optimizers import PlainOptimizer
from pcsim.model.layers import Affine, CurvedPart, Parameter
from pcsim.model.losses import SmoothLoss
from pcsim.model.smooth import SmoothActivation

__all__ = [
    "Affine",
    "CurvedPart",
    "Dataset",
    "ErrorOptimization",
    "Inference",
    "Moving",
    "Parameter",
    "PlainOptimizer",
    "PlainStepper",
    "SequentialStateOptimization",
    "Simultaneous",
    "SmoothActivation",
    "SmoothLoss",
    "StateOptimization",
    "Traits",
]
