"""What every test has: counts of checked calls that begin anew; and, for those that ask, JAX in double precision."""

from collections.abc import Generator

import pytest

from tests.support import sparing

sparing.install()


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    sparing.begin_test()


@pytest.fixture(scope="module")
def jax_in_double() -> Generator[None]:
    """Let JAX compute in float64 while a module of tests runs that takes it as an oracle."""
    import jax

    with jax.enable_x64(True):
        yield
