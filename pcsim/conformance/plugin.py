"""The options of `pytest --pyargs pcsim.conformance`; pytest loads this wherever pcsim is, so it does little."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pcsim.conformance.subject import Subject

SUBJECT: pytest.StashKey["Subject"] = pytest.StashKey()
"""Where the backend under test is kept."""


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(parser: pytest.Parser, args: list[str]) -> None:
    """Add the options where this suite is asked for: another may have options of the same names."""
    if not any(argument.startswith("pcsim.conformance") for argument in args):
        return
    group = parser.getgroup("pcsim", "conformance of backends of pcsim")
    group.addoption("--backend", dest="pcsim_backend", metavar="NAME", help="the installed backend to examine")
    group.addoption(
        "--exhaustive",
        dest="pcsim_exhaustive",
        action="store_true",
        help="every combination of what the backend claims, not just so many that every two words meet",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Find the backend under test, or say why there is none."""
    if not hasattr(config.option, "pcsim_backend"):
        return
    from pcsim.conformance.subject import subject_named
    from pcsim.errors import UsageError

    name: str | None = config.option.pcsim_backend
    if name is None:
        raise pytest.UsageError("give the backend to test: pytest --pyargs pcsim.conformance --backend NAME")
    try:
        config.stash[SUBJECT] = subject_named(name)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
