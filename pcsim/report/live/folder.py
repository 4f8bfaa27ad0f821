"""The traces of a folder, as far as their runs have come: what has changed since a page last asked."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pcsim.errors import UsageError
from pcsim.report.page.content import Content, drawings_of, told_of
from pcsim.report.page.series import NUMBERS
from pcsim.report.page.words import status_of, summary_of
from pcsim.trace import Trace, open_trace

PATTERN = "*.h5"
WORDS_SECONDS = 5.0
"""Of a run that goes on rows are sent as they come, findings and tables no more often than this."""
_Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Drawn:
    """What a page has of a trace that it draws: as of which version, of which run, how many rows by panel.

    `words` is the version as of which it has findings and tables.
    """

    version: int = 0
    run: str = ""
    rows: Mapping[str, int] = field(default_factory=dict[str, int])
    words: int = 0


@dataclass
class _Known:
    stamp: _Stamp
    version: int
    summary: Content
    trace: Trace | None
    """Open while its run writes: to open it anew would cost more than to read what is new."""
    words: int = 0
    """The version as of which every page is to have its words."""
    told: float = 0.0
    """When that version was set, by the monotonic clock."""


class Folder:
    """The traces of a folder; looking at them writes nothing, and takes no lock that a run could wait for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, _Known] = {}
        self._version = 0
        self._lock = threading.Lock()

    def changes(self, seen: int, drawn: Mapping[str, Drawn]) -> dict[str, Any]:
        """Return what a page that has seen version `seen` lacks.

        `names` are those of all traces, `traces` the summaries of those that changed, `contents` what is new of those
        that the page draws.
        """
        with self._lock:
            self._look()
            return {
                "version": self._version,
                "names": list(self._known),
                "traces": [known.summary for known in self._known.values() if known.version > seen],
                "contents": list(self._contents(drawn)),
            }

    def close(self) -> None:
        """Close the traces that are open."""
        with self._lock:
            for name in list(self._known):
                self._forget(name)

    def _look(self) -> None:
        found = {path.name: stamp for path in sorted(self.path.glob(PATTERN)) if (stamp := _stamp(path))}
        for name in [name for name in self._known if name not in found]:
            self._forget(name)
        for name, stamp in found.items():
            known = self._known.get(name)
            if known is None or known.stamp != stamp or _was_killed(known):
                self._read(name, stamp, None if known is None else known.trace)

    def _read(self, name: str, stamp: _Stamp, trace: Trace | None) -> None:
        self._version += 1
        try:
            if trace is None:
                trace = open_trace(self.path / name)
            else:
                trace.refresh()
            summary = {**summary_of(trace, name), "run": _run_of(trace)}
        except UsageError as error:
            summary = {"name": name, "title": "", "status": "unreadable", "progress": str(error), "settings": {}}
        if trace is not None and (summary["status"] != "running" or "study" in trace.attributes):
            trace.close()
            trace = None
        before = self._known.get(name)
        words, told = (before.words, before.told) if before else (0, 0.0)
        self._known[name] = _Known(stamp, self._version, summary, trace, words, told)

    def _contents(self, drawn: Mapping[str, Drawn]) -> Iterator[Content]:
        for name, had in drawn.items():
            known = self._known.get(name)
            if known is None or known.version <= had.version:
                continue
            # Where one cannot be read its summary says why.
            with suppress(UsageError), _opened(known, self.path / name) as trace:
                run = _run_of(trace)
                have = had.rows if had.run == run and "study" not in trace.attributes else {}
                (content,) = drawings_of({name: trace}, {name: have}, NUMBERS // len(drawn))
                _renew_words(known)
                is_due = had.run != run or had.words < known.words
                told = {**told_of(trace, name), "words": known.version} if is_due else {}
                yield {**told, **content, "run": run, "version": known.version}

    def _forget(self, name: str) -> None:
        known = self._known.pop(name)
        if known.trace is not None:
            known.trace.close()


def _stamp(path: Path) -> _Stamp | None:
    """Return what tells a file from itself before a write; None where it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _opened(known: _Known, path: Path) -> AbstractContextManager[Trace]:
    """Give a trace that is open already and stays so, or open it for as long as it takes."""
    return open_trace(path) if known.trace is None else nullcontext(known.trace)


def _renew_words(known: _Known) -> None:
    """Let all of a trace be said in words again, not often while its run goes on: that is most of the work."""
    now = time.monotonic()
    if known.trace is None or now - known.told >= WORDS_SECONDS:
        known.words, known.told = known.version, now


def _run_of(trace: Trace) -> str:
    return str(trace.attributes.get("run_id", ""))


def _was_killed(known: _Known) -> bool:
    """Tell whether a run has ended that could not say so any more."""
    return known.trace is not None and status_of(known.trace) != known.summary["status"]
