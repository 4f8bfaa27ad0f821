"""The server of the live page: on this machine alone, for whoever knows the address, and for reading only."""

import json
import secrets
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from pcsim.errors import UsageError
from pcsim.report.live.folder import Drawn, Folder
from pcsim.report.page.document import as_json, document
from pcsim.version import __version__

HOST = "127.0.0.1"


class LiveServer(ThreadingHTTPServer):
    """Serves the page of a folder at `address`; a context manager. `serve_forever` blocks.

    Raises `UsageError` where there is no such folder, or no port is free.
    """

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise UsageError(f"{path} is no folder; name the one that runs write their traces to")
        self.folder = Folder(path)
        self.token = secrets.token_urlsafe(16)
        try:
            super().__init__((HOST, 0), _Handler)
        except OSError as error:
            raise UsageError(f"no page can be served on {HOST} ({error.strerror}); use pcsim view TRACE") from None

    @property
    def address(self) -> str:
        """What to open in a browser of this machine."""
        return f"http://{HOST}:{self.server_port}/?token={self.token}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a page that was closed while it was answered."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        """Stop listening, and close the traces that are open."""
        super().server_close()
        self.folder.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        server, url = cast("LiveServer", self.server), urlsplit(self.path)
        query = parse_qs(url.query)
        # A page of elsewhere may lead a browser here by a name of its own: it would send that one.
        if self.headers.get("Host") not in (f"{HOST}:{server.server_port}", f"localhost:{server.server_port}"):
            self._answer(HTTPStatus.FORBIDDEN, "asked for under another name")
        elif not secrets.compare_digest(query.get("token", [""])[-1].encode(), server.token.encode()):
            self._answer(HTTPStatus.FORBIDDEN, "open the address that pcsim view --live has printed")
        elif url.path == "/":
            content = {"version": __version__, "live": server.folder.path.resolve().name, "traces": []}
            self._answer(HTTPStatus.OK, document(content, live=True), "text/html")
        elif url.path == "/changes":
            self._answer_changes(server.folder, query.get("asked", [""])[-1])
        else:
            self._answer(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _answer_changes(self, folder: Folder, text: str) -> None:
        try:
            seen, drawn = asked(text)
        except (LookupError, ValueError, TypeError, AttributeError, RecursionError):
            self._answer(HTTPStatus.BAD_REQUEST, "not what a page asks")
            return
        self._answer(HTTPStatus.OK, as_json(folder.changes(seen, drawn)), "application/json")

    def _answer(self, status: HTTPStatus, text: str, kind: str = "text/plain") -> None:
        body = text.encode("utf-8", "backslashreplace")
        self.send_response(status)
        headers = {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: every page asks every second."""


def asked(text: str) -> tuple[int, dict[str, Drawn]]:
    """Return what a page has seen and has of each trace that it draws, from its words; ValueError for others."""
    words = json.loads(text)
    drawn = {
        name: Drawn(
            int(had["version"]),
            str(had["run"]),
            {panel: int(rows) for panel, rows in had["rows"].items()},
            int(had["words"]),
        )
        for name, had in words["drawn"].items()
    }
    if any(rows < 0 for had in drawn.values() for rows in had.rows.values()):
        raise ValueError("rows below zero")
    return int(words["seen"]), drawn
