"""The suite's own tests, on our backends."""

from pcsim.conformance.test_training import *  # noqa: F403
