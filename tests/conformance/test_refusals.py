"""The suite's own tests, on our backends."""

from pcsim.conformance.test_refusals import *  # noqa: F403
