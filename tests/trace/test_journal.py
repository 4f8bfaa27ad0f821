"""Journals that somebody else made: none of their rows is taken, whatever they say."""

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from pcsim.trace.journal import journal_path, recovered
from pcsim.trace.layout import as_words
from tests.support.trace_samples import layout

WORDS = as_words(layout())
HEAD = {"format": "pcsim-journal", "token": "t", "boot": "b", "layout": WORDS}
ROWS = {"clock": "step", "rows": [0, 2], "checksum": 0, "chunks": {}}


def rows_of(folder: Path, *lines: Any) -> dict[str, int] | None:
    trace = folder / "run.h5"
    trace.write_bytes(bytes(10_000))
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    journal_path(trace).write_bytes(b"".join(b"%08x %b\n" % (zlib.crc32(text), text) for text in texts))
    found = recovered(trace, "t")
    if found is None:
        return None
    found.close()
    return found.rows


@pytest.mark.parametrize(
    "head",
    [
        [],
        HEAD | {"layout": None},
        HEAD | {"layout": WORDS | {"clock": 0}},
        HEAD | {"layout": WORDS | {"unit_shapes": 3}},
        HEAD | {"layout": WORDS | {"dtype": "x"}},
        b"[" * 100_000,
    ],
    ids=range(6),
)
def test_a_head_that_is_none(tmp_path: Path, head: Any) -> None:
    assert rows_of(tmp_path, head, ROWS) is None


@pytest.mark.parametrize(
    "block",
    [
        ROWS,
        ROWS | {"rows": [0, 2**60]},
        ROWS | {"chunks": {"energy": [2**70], "grad_norm": [-1], "step": [0]}},
        3,
        ROWS | {"chunks": 1.5},
        ROWS | {"clock": "other"},
    ],
    ids=range(6),
)
def test_a_block_that_is_none(tmp_path: Path, block: Any) -> None:
    assert rows_of(tmp_path, HEAD, block) == {"step": 0}
