"""Learning: settled errors become weight changes. Inference knows nothing of it, and it knows nothing of layers."""

from pcsim.learning.amortising import AmortiserRule
from pcsim.learning.batch import Batch
from pcsim.learning.learner import AfterEveryStep, AgainstForwardPass, AtTheEnd, Learned, Learner, fresh
from pcsim.learning.normalising import Normalised
from pcsim.learning.optimizers import MQ, SGD, Adam, AdamW, Momentum, Optimizer
from pcsim.learning.precisions import GradientRule, NaturalRule, PrecisionRule
from pcsim.learning.scaling import PerLayer
from pcsim.learning.schedules import Constant, Schedule, StepDecay, WarmupCosine

__all__ = [
    "MQ",
    "SGD",
    "Adam",
    "AdamW",
    "AfterEveryStep",
    "AgainstForwardPass",
    "AmortiserRule",
    "AtTheEnd",
    "Batch",
    "Constant",
    "GradientRule",
    "Learned",
    "Learner",
    "Momentum",
    "NaturalRule",
    "Normalised",
    "Optimizer",
    "PerLayer",
    "PrecisionRule",
    "Schedule",
    "StepDecay",
    "WarmupCosine",
    "fresh",
]
