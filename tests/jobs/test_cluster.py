"""Dask's scheduler and workers as processes apart: networks of their own, other versions, nobody who answers."""

import socket
import threading
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.errors import UsageError
from pcsim.jobs import Cluster
from pcsim.scenario import parse_scenario
from pcsim.studies import run_study
from pcsim.version import __version__
from tests.studies.test_resumed import TRAINING, numbers_of
from tests.support.dask_nodes import PATIENCE, namespaces, scheduler, worker

distributed = pytest.importorskip("distributed")
pytestmark = [pytest.mark.exhaustive, pytest.mark.filterwarnings("ignore")]  # Dask's own, of workers that die
OLDER = "import pcsim.version\npcsim.version.__version__ = '0.0.9'\n"
WITHOUT = "import sys\nsys.modules['pcsim'] = None\n"
LONGER = TRAINING.replace("epochs = 2", "epochs = 20").replace("[0, 1]", "[0, 1, 2, 3]")


@pytest.fixture
def silent() -> Generator[int]:
    """Return a port at which somebody listens who says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.fixture
def strange() -> Generator[int]:
    """Return a port at which somebody speaks who is no scheduler."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def speak() -> None:
            while True:
                try:
                    line, _ = listening.accept()
                except OSError:
                    return
                with line:
                    line.sendall(b"220 mail.example.org ESMTP ready\r\n" * 4)

        threading.Thread(target=speak, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("tcp://127.0.0.1:1", "no scheduler answers within 0.5 s; start one with dask scheduler, and workers with"),
        ("tcp://127.0.0.1:{silent}", "no scheduler answers within 0.5 s; start one with dask scheduler"),
        ("tcp://127.0.0.1:{strange}", "what answers is no Dask scheduler of a version like the one here"),
        ("tcp://127.0.0.1", "missing port number .*; give a scheduler file, or an address as tcp://host:8786"),
        ("nonsense://x", "unknown address scheme 'nonsense' .*; give a scheduler file, or an address"),
        ("old.json", "no scheduler answers within 0.5 s"),
        ("list.json", "this is no file of a scheduler; give a scheduler file, or an address as tcp://host:8786"),
        ("torn.json", "give a scheduler file, or an address as tcp://host:8786"),
    ],
)
def test_whatever_is_at_the_address_is_one_line_in_time(
    address: str, line: str, silent: int, strange: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pcsim.jobs.cluster.PATIENCE", 0.5)
    Path("old.json").write_text('{"address": "tcp://127.0.0.1:1"}')
    Path("list.json").write_text("[1]")
    Path("torn.json").write_text('{"addr')
    with pytest.raises(UsageError, match=line) as error:
        Cluster(address.format(silent=silent, strange=strange))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("before", "line"),
    [
        (OLDER, f"has pcsim 0.0.9, this is {__version__}; install the same on both"),
        (WITHOUT, f"has no pcsim that can be used (.*); install pcsim {__version__} there"),
    ],
)
def test_a_worker_with_another_pcsim_is_one_line_before_anything_starts(
    before: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("before.py").write_text(before)
    Path("s.toml").write_text(TRAINING)
    with scheduler(tmp_path) as port:
        address = f"tcp://127.0.0.1:{port}"
        preload = ("--preload", str(tmp_path / "before.py"))
        with worker(address, "same", tmp_path), worker(address, "other", tmp_path, (), *preload):
            _require_workers(address, 2)
            assert call(["run", "s.toml", "--cluster", address, "--quiet"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    start, _, end = line.partition("(.*)")
    assert start in said
    assert said.endswith(end)
    assert not Path("s.h5").exists()


def test_workers_in_networks_of_their_own_one_of_which_is_killed(tmp_path: Path) -> None:
    scenario = parse_scenario(LONGER)
    with ExitStack() as nodes:
        places = nodes.enter_context(namespaces(2))
        port = nodes.enter_context(scheduler(tmp_path))
        workers = [
            nodes.enter_context(worker(f"tcp://{way}:{port}", f"w{i}", tmp_path, before))
            for i, (before, way) in enumerate(places)
        ]
        address = f"tcp://127.0.0.1:{port}"
        _require_workers(address, 2)

        def killing(*_: Any) -> None:
            workers[0].kill()

        with run_study(scenario, path=tmp_path / "s.h5", cluster=address, told=killing) as there:
            assert workers[0].wait(PATIENCE) < 0
            with pcsim.run(scenario) as here:
                assert numbers_of(there) == numbers_of(here)
        with distributed.Client(address, set_as_default=False) as client:
            (left,) = client.nthreads()
            assert left.startswith("tcp://198.18.1.2:")


def _require_workers(address: str, count: int) -> None:
    with distributed.Client(address, timeout=PATIENCE, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=PATIENCE)
