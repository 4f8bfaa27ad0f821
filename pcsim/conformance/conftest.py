"""What each test is done with: whatever the backend under test claims."""

import pytest

from pcsim.conformance.choice import choose
from pcsim.conformance.covering import ALL, PAIRS
from pcsim.conformance.plugin import SUBJECT


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Do each test with everything that the backend claims."""
    strength = ALL if metafunc.config.option.pcsim_exhaustive else PAIRS
    names, chosen = choose(metafunc.fixturenames, metafunc.config.stash[SUBJECT], strength)
    metafunc.parametrize(names, chosen.values(), ids=list(chosen))
