"""Inference: what moves, and along which vector field or discrete map. One method a file."""

from pcsim.inference.backprop import Backprop
from pcsim.inference.base import Inference, Traits
from pcsim.inference.bidirectional import Bidirectional
from pcsim.inference.drawing import drawing_for
from pcsim.inference.equilibrium import Equilibrium, search_of
from pcsim.inference.error import ErrorOptimization
from pcsim.inference.errors_first import ErrorsFirst
from pcsim.inference.flow import GradientFlow, IncrementFlow, VectorField, gradient_flow
from pcsim.inference.free_input import first_variable, is_masked, with_free_input
from pcsim.inference.free_output import with_free_output
from pcsim.inference.halving import Halving, unhalved
from pcsim.inference.increment import IncrementSequentialStateOptimization, IncrementStateOptimization
from pcsim.inference.integrated import Adaptive, Constant, Euler, Heun, Integrated
from pcsim.inference.lagrangian import AugmentedLagrangian
from pcsim.inference.langevin import Langevin
from pcsim.inference.propagation import EquilibriumPropagation
from pcsim.inference.sequential import SequentialStateOptimization
from pcsim.inference.starting import StartingAt, for_evaluation
from pcsim.inference.state import FixedPredictions, StateOptimization
from pcsim.inference.weighting import PrecisionWeighted

__all__ = [
    "Adaptive",
    "AugmentedLagrangian",
    "Backprop",
    "Bidirectional",
    "Constant",
    "Equilibrium",
    "EquilibriumPropagation",
    "ErrorOptimization",
    "ErrorsFirst",
    "Euler",
    "FixedPredictions",
    "GradientFlow",
    "Halving",
    "Heun",
    "IncrementFlow",
    "IncrementSequentialStateOptimization",
    "IncrementStateOptimization",
    "Inference",
    "Integrated",
    "Langevin",
    "PrecisionWeighted",
    "SequentialStateOptimization",
    "StartingAt",
    "StateOptimization",
    "Traits",
    "VectorField",
    "drawing_for",
    "first_variable",
    "for_evaluation",
    "gradient_flow",
    "is_masked",
    "search_of",
    "unhalved",
    "with_free_input",
    "with_free_output",
]
