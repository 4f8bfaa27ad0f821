"""Curvature of the energy at any point, for any network: Hessian-vector products, eigenvalues, stable step sizes."""

from pcsim.curvature.products import Curvature, ErrorCurvature, StateCurvature, error_curvature, state_curvature

__all__ = ["Curvature", "ErrorCurvature", "StateCurvature", "error_curvature", "state_curvature"]
