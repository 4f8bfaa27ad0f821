"""MATLAB's files: what SciPy writes is read, and no damage does worse than a line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from pcsim.datasets.mat import read_mat
from pcsim.errors import UsageError

rng = np.random.default_rng(0)
IMAGES = rng.integers(256, size=(3, 4, 2, 5), dtype=np.uint8)
ARRAYS: dict[str, Any] = {
    "X": IMAGES,
    "y": np.arange(5, dtype=np.uint8)[:, None],
    "wide": rng.standard_normal((3, 7)),
    "narrow": rng.standard_normal((1, 3)).astype(np.float32),
    "whole": np.array([[-(2**40), 2**40]]),
    "few": np.array([[1.0, 2.0]]),
}
OTHERS = {"text": "words", "table": {"a": 1}, "complex": np.array([[1j]])}


def read(path: Path) -> dict[str, Any]:
    return read_mat(path, "a file of numbers", "where it is")


@pytest.mark.parametrize("compressed", [False, True])
def test_what_scipy_writes_is_read(compressed: bool, tmp_path: Path):
    path = tmp_path / "mine.mat"
    savemat(path, {**ARRAYS, **OTHERS}, do_compression=compressed)
    found = read(path)
    assert list(found) == [*ARRAYS, *OTHERS]
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)
    assert [found[name] for name in OTHERS] == [None, None, None]


@pytest.mark.parametrize("compressed", [False, True])
def test_no_damage_does_worse_than_a_line(compressed: bool, tmp_path: Path):
    path = tmp_path / "mine.mat"
    savemat(path, {**ARRAYS, **OTHERS}, do_compression=compressed)
    whole, said = path.read_bytes(), list[str]()
    for case in range(160):
        damaged = bytearray(whole)
        place, value = int(rng.integers(120, len(whole))), int(rng.choice([0, 255, 2**31 - 1, 2**32 - 1]))
        if case % 4:
            damaged[place : place + 1 + 3 * (case % 2)] = value.to_bytes(4, "little")[: 1 + 3 * (case % 2)]
        path.write_bytes(damaged if case % 4 else damaged[:place])
        try:
            read(path)
        except UsageError as error:
            said.append(str(error))
    assert len(said) > 40
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no MATLAB file, truncated or damaged (0 bytes; it has no header); fetch it again (where it is)"),
        (b"MATLAB 7.3 MAT-file, Platform: any", "is of MATLAB 7.3, which is not read; save it with -v7"),
    ],
)
def test_other_files(content: bytes, said: str, tmp_path: Path):
    (tmp_path / "other.mat").write_bytes(content)
    with pytest.raises(UsageError) as error:
        read(tmp_path / "other.mat")
    assert said in str(error.value)
