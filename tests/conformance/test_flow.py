"""The suite's own tests, on our backends."""

from pcsim.conformance.test_flow import *  # noqa: F403
