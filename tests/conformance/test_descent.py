"""The suite's own tests, on our backends."""

from pcsim.conformance.test_descent import *  # noqa: F403
