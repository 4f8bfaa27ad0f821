"""The exact backend: the core's own lines in ball arithmetic, with rigorous bounds on every energy."""

from pcsim_exact.backend import ExactBackend

__all__ = ["ExactBackend"]
