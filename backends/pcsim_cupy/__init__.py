"""The CuPy backend: fused kernels and batched products on a GPU, the loop captured in a CUDA graph."""

from pcsim_cupy.backend import CupyBackend

__all__ = ["CupyBackend"]
