"""The JAX backend: the core's own lines under `jit`, and Diffrax's solvers for continuous time."""

from pcsim_jax.backend import JaxBackend

__all__ = ["JaxBackend"]
