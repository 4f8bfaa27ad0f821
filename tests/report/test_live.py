"""The live page's server: whom it answers, and what it says of traces that are written, finished, killed or broken."""

import json
import shutil
from collections.abc import Generator
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import pytest

from pcsim.cli.call import call
from pcsim.report.live.folder import Drawn, Folder
from pcsim.report.live.server import LiveServer
from tests.support.pages import EVIL, Page, hostile_trace
from tests.support.trace_samples import child, lines_until

BELOW_ZERO = '{"seen": 0, "drawn": {"a": {"version": 0, "run": "", "rows": {"energy": -1}, "words": 0}}}'


@pytest.fixture
def server(tmp_path: Path) -> Generator[LiveServer]:
    with LiveServer(tmp_path) as found:
        thread = Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def answer(server: LiveServer, path: str, host: str = "", method: str = "GET", **query: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", server.server_port)
    headers = {"Host": host or f"127.0.0.1:{server.server_port}"}
    connection.request(method, f"{path}?{urlencode({'token': server.token} | query)}", headers=headers)
    response = connection.getresponse()
    found = response.status, response.read().decode()
    connection.close()
    return found


def test_who_has_the_address_gets_the_page(server: LiveServer, tmp_path: Path) -> None:
    hostile_trace(tmp_path / "evil.h5")
    status, html = answer(server, "/")
    page = Page(html)
    assert status == 200
    assert page.content["live"] == tmp_path.name
    assert "connect-src 'self'" in page.policy
    assert page.allows("script")
    status, text = answer(server, "/changes", asked='{"seen": 0, "drawn": {}}')
    (trace,) = json.loads(text)["traces"]
    assert (status, trace["name"], trace["title"], trace["status"]) == (200, "evil.h5", EVIL, "complete")


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/", {"host": "evil.example"}, 403),
        ("/changes", {"host": "evil.example"}, 403),
        ("/", {"token": "guessed"}, 403),
        ("/", {"token": ""}, 403),
        ("/evil.h5", {}, 404),
        ("/../evil.h5", {}, 404),
        ("/changes", {"asked": "nonsense"}, 400),
        ("/changes", {"asked": BELOW_ZERO}, 400),
        ("/", {"method": "POST"}, 501),
    ],
)
def test_nobody_else_gets_anything(server: LiveServer, path: str, query: dict[str, str], status: int) -> None:
    assert answer(server, path, **query)[0] == status


def test_a_page_that_was_closed_is_no_fault_and_what_is_one_is_said(
    server: LiveServer, capsys: pytest.CaptureFixture[str]
) -> None:
    for error, is_said in ((BrokenPipeError(), False), (ConnectionResetError(), False), (KeyError("a fault"), True)):
        try:
            raise error
        except (OSError, KeyError):
            server.handle_error(None, ("127.0.0.1", 1))
        assert ("Traceback" in capsys.readouterr().err) == is_said


def told(folder: Folder, seen: int = 0, **drawn: Drawn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is said of the trace t.h5: its summary, and its content where the page draws it."""
    found = folder.changes(seen, {f"{name}.h5": had for name, had in drawn.items()})
    return next(iter(found["traces"]), {}), next(iter(found["contents"]), {})


def test_rows_come_as_they_are_written_and_a_kill_is_told(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with child("obey", tmp_path / "t.h5") as process:
        lines_until(process.stdout, "safe 0")
        assert told(folder)[0]["progress"] == "no rows yet"
        version = 1
        for rows in (10, 20):
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
            lines_until(process.stdout, f"safe {rows}")
            had = Drawn(version, told(folder)[0]["run"], {"energy": rows - 10})
            summary, content = told(folder, t=had)
            assert (summary["status"], summary["progress"]) == ("running", f"step {rows - 1}")
            (panel,) = content["panels"]
            assert (panel["rows"]["from"], panel["rows"]["x"]) == (rows - 10, list(range(rows - 10, rows)))
            assert content["words"] == content["version"]
            assert told(folder, t=had)[1] == content, "a second page that has as much is told as much"
            version = content["version"]
        assert told(folder, version, t=Drawn(version, summary["run"], {})) == ({}, {})
    summary, content = told(folder, t=Drawn(version))
    assert summary["status"] == "killed"
    assert content["says"] == ["The run was killed: what is here is what it had written by then."]
    folder.close()


def test_another_run_of_the_same_name_is_sent_whole(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    hostile_trace(tmp_path / "t.h5", rows=3)
    summary, _ = told(folder)
    (tmp_path / "t.h5").unlink()
    hostile_trace(tmp_path / "t.h5", rows=6)
    _, content = told(folder, t=Drawn(1, summary["run"], {"energy": 3}))
    assert (content["panels"][0]["rows"]["from"], content["panels"][0]["rows"]["total"]) == (0, 6)


def test_a_folder_says_which_traces_came_went_and_cannot_be_read(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.changes(0, {}) == {"version": 0, "names": [], "traces": [], "contents": []}
    hostile_trace(tmp_path / "a.h5", rows=0)
    for i in range(50):
        shutil.copy(tmp_path / "a.h5", tmp_path / f"b{i}.h5")
    (tmp_path / "broken.h5").write_text("nothing")
    found = folder.changes(0, {"broken.h5": Drawn(), "none.h5": Drawn()})
    assert (len(found["traces"]), found["contents"]) == (52, [])
    broken = found["traces"][-1]
    assert broken["status"] == "unreadable"
    assert "is not an HDF5 file" in broken["progress"]
    (tmp_path / "a.h5").unlink()
    after = folder.changes(found["version"], {})
    assert (len(after["names"]), after["traces"]) == (51, [])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "name a trace, or --live for those that runs write in this folder"),
        (["--live", "none"], "none is no folder"),
        (["--live", ".", "-o", "x.html"], "--live takes one folder at most, and writes no file"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["view", *arguments]) == 2
    assert line in capsys.readouterr().err
