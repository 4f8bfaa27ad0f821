"""The Numba backend: kernels compiled for the processor it runs on, a block of samples on every core."""

from pcsim_numba.backend import NumbaBackend

__all__ = ["NumbaBackend"]
