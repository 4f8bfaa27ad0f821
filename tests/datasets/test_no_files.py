"""Paths that are no files: nothing waits for them."""

import os
from pathlib import Path

import pytest

from pcsim.datasets.archive import read_arrays
from pcsim.errors import UsageError
from pcsim.runs.checkpoint import read_checkpoint
from pcsim.scenario import read_scenario


def test_a_pipe_and_a_device_are_no_data(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(UsageError, match="is a pipe or device; needed is an"):
            read_arrays(path, ["x"])
        with pytest.raises(UsageError, match="is not a pcsim checkpoint"):
            read_checkpoint(path)


def test_a_chain_of_extends_has_an_end(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number}.toml").write_text(f'extends = "{number + 1}.toml"\n')
    with pytest.raises(UsageError, match="more than 50 files extend one another"):
        read_scenario(tmp_path / "0.toml")


def test_a_base_that_is_nested_deep(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(f"extends = {'[' * 350}{']' * 350}\n")
    with pytest.raises(UsageError, match=r"extends: .* is not allowed; give the path of another scenario"):
        read_scenario(tmp_path / "s.toml")
