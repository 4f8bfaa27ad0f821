"""Traces from others: nothing but the file itself is read, and nothing is allocated that it cannot hold."""

import errno
import os
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t, h5z  # pyright: ignore[reportAttributeAccessIssue]

from pcsim.errors import PcsimWarning, UsageError
from pcsim.trace import Trace, open_trace, opening, repair
from pcsim.trace.layout import streams
from pcsim.trace.rows import clock_of
from tests.support.trace_samples import ALL, TRAINING, block, create, final, layout


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "run.h5"
    with create(path) as writer:
        writer.append(block(0, 5))
        writer.finish("complete", {}, final()).close()
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, whole: bytes) -> Path:
    target = tmp_path / "run.h5"
    target.write_bytes(whole)
    return target


def read_all(trace: Trace) -> None:
    assert trace.energy.shape == (5, 3)
    assert len(trace.network) == 4
    assert trace.final_output.shape == (2, 3)
    assert len(trace.final_states) == 2


def message_for(path: Path) -> str:
    with pytest.raises(UsageError) as error, open_trace(path) as trace:
        read_all(trace)
    assert "\n" not in str(error.value)
    return str(error.value)


def external_link(file: Any, other: str) -> None:
    del file["network/W_0"]
    file["network/W_0"] = h5py.ExternalLink(other, "x")


def external_group(file: Any, other: str) -> None:
    file["final/unasked"] = h5py.ExternalLink(other, "/")


def raw_storage(file: Any, other: str) -> None:
    del file["network/W_0"]
    file["network"].create_dataset("W_0", (4, 5), "f8", external=[(other, 0, 160)])


def virtual(file: Any, other: str) -> None:
    del file["network/W_0"]
    made = h5py.VirtualLayout((4, 5), "f8")
    made[:] = h5py.VirtualSource(other, "x", (4, 5))
    file["network"].create_virtual_dataset("W_0", made)


def virtual_without_end(file: Any, other: str) -> None:
    del file["energy"]
    made = h5py.VirtualLayout((5, 3), "f8", maxshape=(None, 3))
    source = h5py.VirtualSource(other, "x", (5, 3), maxshape=(None, 3))
    made[h5s.UNLIMITED :, :] = source[h5s.UNLIMITED :, :]
    file.create_virtual_dataset("energy", made)


@pytest.mark.parametrize("craft", [external_link, external_group, raw_storage, virtual, virtual_without_end])
def test_another_file_is_never_read(path: Path, craft: Callable[[Any, str], None]) -> None:
    other = path.with_name("other.h5")
    with h5py.File(other, "w") as file:
        file["x"] = np.ones((5, 3))
    with h5py.File(path, "r+") as file:
        craft(file, str(other))
    os.utime(other, ns=(0, other.stat().st_mtime_ns + 10**9))
    assert "pcsim reads only the one it is given" in message_for(path)
    assert other.stat().st_atime_ns == 0  # reading would have set it


def endless_clock(file: Any) -> None:
    del file["step"]
    file.create_dataset("step", (2**40,), "i8", maxshape=(None,), chunks=(4096,), fillvalue=-1)


def large_matrix(file: Any) -> None:
    del file["network/W_0"]
    file["network"].create_dataset("W_0", (40_000, 40_000), "f8", compression="gzip")


def large_chunk(file: Any) -> None:
    del file["network/W_0"]
    file["network"].create_dataset("W_0", (4, 5), "f8", maxshape=(None, None), chunks=(2**14, 2**14))


def gzip_bomb(file: Any) -> None:
    del file["network/W_0"]
    made = file["network"].create_dataset("W_0", (4, 5), "f8", chunks=(4, 5), compression="gzip")
    made.id.write_direct_chunk((0, 0), zlib.compress(bytes(2**20)))


def gzip_in_gzip(file: Any) -> None:
    plist = h5p.create(h5p.DATASET_CREATE)
    plist.set_chunk((4, 5))
    plist.set_deflate()
    plist.set_deflate()
    del file["network/W_0"]
    h5d.create(file.id, b"network/W_0", h5t.NATIVE_DOUBLE, h5s.create_simple((4, 5)), plist)


def plugin(file: Any) -> None:
    plist = h5p.create(h5p.DATASET_CREATE)
    plist.set_chunk((4, 5))
    plist.set_filter(32_015, h5z.FLAG_OPTIONAL)
    del file["network/W_0"]
    h5d.create(file.id, b"network/W_0", h5t.NATIVE_DOUBLE, h5s.create_simple((4, 5)), plist)


def thousands_of_parameters(file: Any) -> None:
    for number in range(1000):
        file[f"network/W_{number + 3}"] = file["network/W_0"]


def matrices_that_are_large_together(file: Any) -> None:
    for number in range(50):
        file["network"].create_dataset(f"V_{number}", (1000, 1000), "f8", chunks=(1000, 1000))


def names_without_end(file: Any) -> None:
    del file["layer_name"]
    file.create_dataset("layer_name", (2**22,), h5py.string_dtype(), chunks=(2**16,))


def long_names(file: Any) -> None:
    """One text under many names: each element refers to the same object of the heap."""
    del file["layer_name"]
    file.create_dataset("layer_name", data=["x" * 10_000, *[""] * 39], dtype=h5py.string_dtype(), chunks=(40,))
    plain = file["layer_name"].id
    reference = plain.read_direct_chunk((0,))[1][:16]
    plain.write_direct_chunk((0,), reference * 40)


def a_type(file: Any) -> None:
    del file["network/W_0"]
    file["network/W_0"] = np.dtype("f8")


@pytest.mark.parametrize(
    ("craft", "reason"),
    [
        (endless_clock, "'/step' claims 8,796,093,022,208 bytes in a file of"),
        (large_matrix, "'/network/W_0' claims 12,800,000,000 bytes"),
        (large_chunk, "'/network/W_0' claims 2,147,483,648 bytes"),
        (gzip_bomb, "'/network/W_0' unpacks to more than the 160 bytes of its chunks"),
        (gzip_in_gzip, "'/network/W_0' is packed more than once"),
        (plugin, "'/network/W_0' is packed by filter 32015; allowed are deflate, shuffle, fletcher32"),
        (thousands_of_parameters, "1004 entries in network"),
        (matrices_that_are_large_together, "in /network"),
        (names_without_end, "'/layer_name' claims"),
        (a_type, "'/network/W_0' is a type"),
    ],
)
def test_nothing_is_allocated_that_the_file_cannot_hold(path: Path, craft: Callable[[Any], None], reason: str) -> None:
    with h5py.File(path, "r+") as file:
        craft(file)
    assert reason in message_for(path)


def test_a_text_under_many_names_is_not_read_again_and_again(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        long_names(file)
    assert path.stat().st_size < 40 * 10_000
    assert "texts of" in message_for(path)


def test_compressed_arrays_of_other_programs_are_read(path: Path) -> None:
    file: Any
    with h5py.File(path, "r+") as file:
        values = file["network/W_0"][()]
        del file["network/W_0"]
        file["network"].create_dataset("W_0", data=values, compression="gzip", shuffle=True, fletcher32=True)
    with open_trace(path) as trace:
        np.testing.assert_array_equal(trace.network["W_0"], values)


def test_soft_links_stay_within_the_file_and_survive_a_repair(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["final/again"] = h5py.SoftLink("/final")
        file.attrs["status"] = "running"
    with open_trace(path) as trace:
        read_all(trace)
    assert repair(path).repaired
    with h5py.File(path) as file:
        link: Any = file.get("final/again", getlink=True)
        assert link.path == "/final"


def test_scales_of_another_type_are_refused(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["status"] = "running"
        del file["energy"].attrs["DIMENSION_LIST"]
        file["energy"].attrs["DIMENSION_LIST"] = ["step", "layer"]
    with pytest.raises(UsageError, match="DIMENSION_LIST of /energy"):
        repair(path)


@pytest.mark.parametrize("size", [64, 512, 4096])
def test_zeroed_heaps_do_not_hang(path: Path, whole: bytes, size: int) -> None:
    """HDF5 goes through objects of no size for ever."""
    start = whole.index(b"GCOL") + 64
    path.write_bytes(whole[:start] + bytes(size) + whole[start + size :])
    assert "damaged or truncated (damaged global heap)" in message_for(path)


def test_heaps_within_each_other_are_not_followed(path: Path, whole: bytes) -> None:
    heap = b"GCOL\x01\0\0\0" + (3200).to_bytes(8, "little")
    path.write_bytes(whole + heap * 200 + bytes(4000))
    assert "damaged global heap" in message_for(path)


def test_no_text_is_longer_than_the_heaps_say(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else texts of a large file are read one by one: it may be one that is as long, under many names."""
    texts = [f"number {i}" for i in range(2000)]
    with h5py.File(path, "a") as file:
        file.create_dataset("texts", data=texts, dtype=h5py.string_dtype())
        file["longest"] = "x" * 200_000
        file["numbers"] = np.zeros(100_000)
    parts: list[Any] = []
    whole = h5py.Dataset.asstr

    def counted(item: Any) -> Any:
        parts.append(item)
        return whole(item)

    monkeypatch.setattr(h5py.Dataset, "asstr", counted)
    monkeypatch.setattr(opening, "SPARE_BYTES", 10_000_000)
    with opening.open_to_read(path) as file:
        assert file.longest_text == 200_000
        assert opening.texts(file["texts"]) == tuple(texts)
        assert len(parts) == 2000 // 50
    # One whose place cannot be known may be as long as the file.
    path.write_bytes(path.read_bytes() + b"GCOL\x01\1\1\1" + b"\xff" * 8)
    assert opening.check_heaps(path) == path.stat().st_size


def test_clocks_are_known_by_name() -> None:
    every = streams(layout(ALL, training=TRAINING))
    assert {stream.path: clock_of(stream.path, "step") for stream in every} == {s.path: s.clock for s in every}


def test_a_file_system_without_locks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(opening.fcntl, "flock", refuse)
    monkeypatch.delenv("HDF5_USE_FILE_LOCKING", raising=False)
    with pytest.warns(PcsimWarning, match="has no locks"):
        assert opening.locking(path) is False
    monkeypatch.setenv("HDF5_USE_FILE_LOCKING", "TRUE")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert opening.locking(path) is None
