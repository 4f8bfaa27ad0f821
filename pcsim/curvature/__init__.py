"""Curvature of the energy at any point, for any network: Hessian-vector products, eigenvalues, stable step sizes."""

from pcsim.curvature.blocks import BlockCholesky, BlockMatrix, NotPositiveDefinite
from pcsim.curvature.local import state_hessian
from pcsim.curvature.products import Curvature, ErrorCurvature, StateCurvature, error_curvature, state_curvature
from pcsim.curvature.spectrum import Extremes, block_extremes, extremes, largest_eigenvalue, operator_of

__all__ = [
    "BlockCholesky",
    "BlockMatrix",
    "Curvature",
    "ErrorCurvature",
    "Extremes",
    "NotPositiveDefinite",
    "StateCurvature",
    "block_extremes",
    "error_curvature",
    "extremes",
    "largest_eigenvalue",
    "operator_of",
    "state_curvature",
    "state_hessian",
]
