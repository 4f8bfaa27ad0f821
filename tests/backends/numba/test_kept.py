"""Compiled functions on disk: no process takes another's code, nor one entry's parts for those of another."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from numba.core.caching import IndexDataCacheFile
from pcsim_numba.kernels.compiled import named, part, save_by_key

TWO_ENTRIES = """
from pcsim_numba.kernels.compiled import entry, named, part, stay_apart

def _adding(constant):
    @part
    @named(str(constant))
    def add(x):
        stay_apart()
        return x + constant

    return add

add_1, add_2 = _adding(1), _adding(2)

@entry
def first(x):
    return add_1(x)

@entry
def second(x):
    return add_2(x)
"""


def test_two_that_save_at_once_keep_their_own(tmp_path: Path) -> None:
    def file() -> Any:
        return IndexDataCacheFile(str(tmp_path), "entry", 1)

    one, other = file(), file()
    before, write = other._load_index(), one._save_data
    # The other one looked into the index before either wrote, and has written all by the time that this one does.
    other._load_index = lambda: before

    def writing(name: Any, data: Any) -> None:
        save_by_key(other, "float64", "code for float64")
        write(name, data)

    one._save_data = writing
    save_by_key(one, "float32", "code for float32")
    assert file().load("float64") == "code for float64"
    assert file().load("float32") == "code for float32"


@pytest.mark.exhaustive
def test_entries_of_several_processes_call_their_own_parts(tmp_path: Path) -> None:
    (tmp_path / "entries.py").write_text(TWO_ENTRIES)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    said = [
        subprocess.run(
            [sys.executable, "-c", f"import entries; print({call})"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
        ).stdout.split()
        for call in ("entries.first(0)", "entries.second(0)", "entries.first(0), entries.second(0)")
    ]  # fmt: skip
    assert said == [["1"], ["2"], ["1", "2"]]


def test_parts_that_only_the_order_of_compilation_tells_apart_are_refused() -> None:
    def making(constant: int, *what: str) -> Any:
        @part
        @named(*what)
        def add(x: int) -> int:
            return x + constant

        return add

    making(1, "of one")
    making(2, "of another")
    with pytest.raises(NameError, match=r"add_of one is the name of two functions"):
        making(3, "of one")
