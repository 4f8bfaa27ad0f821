"""What every test has: counts of checked calls that begin anew; and for those that ask, a folder, and JAX in double."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support import sparing
from tests.support.places import ROOT

# Started in the background, or by nohup, tests would find signals ignored that they raise.
for signum, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    signal.signal(signum, handler)
sparing.install()
# What XLA has compiled is kept for the next run and for processes that tests start; workers keep their own files.
KEPT = ROOT / ".pytest_cache" / "jax" / os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(KEPT))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

# Only now: what this imports of pcsim is then checked too.
from pcsim.extensions.registry import REGISTERED  # noqa: E402
from pcsim.report import progress  # noqa: E402
from tests.support.scenario_files import Files  # noqa: E402

# On a busy machine any run may take so long that it says how far it is, where a test expects one line of an error.
progress.BETWEEN_LINES = float("inf")

_WARMING = pytest.StashKey[subprocess.Popen[bytes]]()


def pytest_sessionstart(session: pytest.Session) -> None:
    if getattr(session.config.option, "numprocesses", None):
        _warm(session.config)  # the workers alone know which tests there are


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave what runs on Numba to the end, when its kernels are compiled and nobody waits for them."""
    items.sort(key=_is_numbas)


def pytest_collection_finish(session: pytest.Session) -> None:
    config = session.config
    if not hasattr(config, "workerinput") and not config.option.collectonly and any(map(_is_numbas, session.items)):
        _warm(config)


def _is_numbas(item: pytest.Item) -> bool:
    return "numba" in item.path.parts or "numba" in item.name


def _warm(config: pytest.Config) -> None:
    """Compile Numba's kernels beside the first tests: where that has not been done yet it takes most of a minute."""
    nowhere = subprocess.DEVNULL
    command = [sys.executable, "-m", "tests.support.warm_kernels"]
    config.stash[_WARMING] = subprocess.Popen(command, cwd=ROOT, stdout=nowhere, stderr=nowhere)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if (warming := session.config.stash.get(_WARMING, None)) is not None:
        warming.kill()
        warming.wait()


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    sparing.begin_test()


@pytest.fixture(autouse=True)
def _nothing_registered() -> Generator[None]:
    """Let no test find what another has registered."""
    yield
    REGISTERED.clear()


@pytest.fixture(scope="module")
def jax_in_double() -> Generator[None]:
    """Let JAX compute in float64 while a module of tests runs that takes it as an oracle."""
    import jax

    with jax.enable_x64(True):
        yield


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Run a test in a folder of its own, and write and read scenarios there."""
    monkeypatch.chdir(tmp_path)
    return Files(tmp_path)
