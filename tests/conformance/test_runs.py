"""The suite's own tests, on our backends."""

from pcsim.conformance.test_runs import *  # noqa: F403
