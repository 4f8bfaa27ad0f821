"""The backend under test, from the command line, and what each test is done with."""

import pytest

from pcsim.conformance.choice import choose
from pcsim.conformance.descents import ALL, PAIRS
from pcsim.conformance.subject import Subject
from pcsim.engine.registry import load_backend
from pcsim.errors import UsageError


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Do each test with everything that the backend claims."""
    strength = ALL if metafunc.config.getoption("exhaustive") else PAIRS
    names, chosen = choose(metafunc.fixturenames, _subject(metafunc.config), strength)
    metafunc.parametrize(names, chosen.values(), ids=list(chosen))


def _subject(config: pytest.Config) -> Subject:
    """Return the backend under test, or say why there is none."""
    name: str | None = config.getoption("backend")
    if name is None:
        raise pytest.UsageError("give the backend to test: pytest --pyargs pcsim.conformance --backend NAME")
    try:
        subject = Subject(name, load_backend(name))
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    able = subject.able
    if able.problem is not None:
        raise pytest.UsageError(f"backend '{name}' cannot be used here: {able.problem}; {able.fix}")
    return subject
