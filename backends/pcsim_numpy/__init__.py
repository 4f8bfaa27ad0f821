"""The reference backend: the core's own lines on numpy arrays."""

from pcsim_numpy.backend import NumpyBackend

__all__ = ["NumpyBackend"]
