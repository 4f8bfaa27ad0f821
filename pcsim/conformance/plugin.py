"""The options of `pytest --pyargs pcsim.conformance`; pytest loads this wherever pcsim is, so it does little."""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(parser: pytest.Parser, args: list[str]) -> None:
    """Add the options where this suite is asked for: another may have options of the same names."""
    if not any(argument.startswith("pcsim.conformance") for argument in args):
        return
    group = parser.getgroup("pcsim", "conformance of backends of pcsim")
    group.addoption("--backend", metavar="NAME", help="the installed backend to compare with numpy's")
    group.addoption(
        "--exhaustive",
        action="store_true",
        help="every combination of what the backend claims, not just so many that every two words meet",
    )
