"""Compiled functions on disk: processes that compile at the same time never take each other's code."""

from pathlib import Path
from typing import Any

from numba.core.caching import IndexDataCacheFile
from pcsim_numba.kernels.compiled import save_by_key


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
