"""Damaged, crafted and unusual files through every command: tools/fuzz.py, its first cases."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import ROOT


@pytest.mark.exhaustive
def test_nothing_comes_of_bad_files_but_a_line(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "tools" / "fuzz.py", tmp_path / "fuzz", "--cases", "150", "--processes", "2"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
