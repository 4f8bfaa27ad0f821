"""Files that claim more than they can hold are refused by their headers, before anything is unpacked."""

import gzip
import io
import json
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pcsim.datasets import load_dataset
from pcsim.datasets.idx import read_idx
from pcsim.errors import UsageError
from pcsim.model.activations import Tanh
from pcsim.model.network import dense_chain
from pcsim.runs.checkpoint import read_checkpoint
from pcsim.weights import read_parameters

GIGABYTES = 4 * 10**9
NETWORK = dense_chain((2, 3), Tanh())


@contextmanager
def refused(words: str) -> Generator[None]:
    """Expect one line, and little memory on the way to it."""
    tracemalloc.start()
    try:
        with pytest.raises(UsageError, match=words) as caught:
            yield
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)


def header(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def archive(path: Path, members: dict[str, bytes], claims: dict[str, int] | None = None) -> Path:
    """Write members into a zip file, with the length that its directory claims of some."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
        for name, size in (claims or {}).items():
            file.getinfo(name).file_size = size
    return path


def bomb(path: Path, name: str, shape: tuple[int, ...]) -> Path:
    size = len(header(shape)) + 8 * int(np.prod(shape))
    return archive(path, {name: header(shape) + bytes(40_000), "y.npy": header((2,)) + bytes(16)}, {name: size})


def test_an_archive_that_unpacks_to_gigabytes(tmp_path: Path):
    path = bomb(tmp_path / "x.npz", "x.npy", (GIGABYTES // 32, 4))
    with refused(r"x\.npz: array 'x' claims 4,000,000,128 bytes, in a file of \d+: no data are so much smaller "):
        load_dataset("npz", file=path)


@pytest.mark.parametrize("shape", [(10**15, 4), (2**62, 2**62), (-1, 4), (3, 4)])
def test_a_header_that_claims_another_length(tmp_path: Path, shape: tuple[int, ...]):
    path = archive(tmp_path / "x.npz", {"x.npy": header(shape) + bytes(64), "y.npy": header((2,)) + bytes(16)})
    with refused(r"x\.npz: truncated or damaged at array 'x' \(its header, shape .* means .* bytes, it has "):
        load_dataset("npz", file=path)


def test_weights_of_another_shape_are_not_read(tmp_path: Path):
    path = archive(tmp_path / "w.npz", {"W0.npy": header((1000, 3000)) + bytes(24 * 10**6), "b0.npy": header((3,))})
    with refused(r"w\.npz: array W0 has shape \(1000, 3000\), this network needs \(2, 3\)"):
        read_parameters(path, NETWORK)


def test_tensors_of_another_shape_are_not_read(tmp_path: Path):
    pytest.importorskip("safetensors")
    path = tmp_path / "w.safetensors"
    size = 8 * 2 * GIGABYTES
    tensors = {"W0": {"dtype": "F64", "shape": [2, GIGABYTES], "data_offsets": [0, size]}}
    tensors["b0"] = {"dtype": "F64", "shape": [3], "data_offsets": [size, size + 24]}
    text = json.dumps(tensors).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    os.truncate(path, 8 + len(text) + size + 24)  # takes no room on the disk
    with refused(r"w\.safetensors: array W0 has shape \(2, 4000000000\), this network needs \(2, 3\)"):
        read_parameters(path, NETWORK)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_image_file_that_claims_gigabytes(tmp_path: Path, pack: Callable[[bytes], bytes]):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(pack(bytes((0, 0, 8, 3)) + struct.pack(">3I", 5_000_000, 28, 28) + bytes(10_000)))
    with refused(r"its header claims 3,920,000,000 bytes|truncated: 10016 bytes where its header, shape "):
        read_idx(path, 3)


def test_an_image_file_that_goes_on_for_long(tmp_path: Path):
    path = tmp_path / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(bytes((0, 0, 8, 1)) + struct.pack(">I", 10) + bytes(2 * 10**7)))
    with refused("too long: more bytes where its header, shape"):
        read_idx(path, 1)


@pytest.mark.parametrize("members", [{"a.npy": header((10**9,)) + bytes(64)}, {"a.npy": header((8,)) + bytes(64)}])
def test_a_compressed_checkpoint_is_none_of_ours(tmp_path: Path, members: dict[str, Any]):
    with refused("c is damaged or truncated; use another copy, or start training anew"):
        read_checkpoint(archive(tmp_path / "c", members))
