"""Runs killed at random moments lose nothing; docs/reliability.md has the figures of many more."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import ROOT


@pytest.mark.exhaustive
def test_ten_kills_lose_nothing(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tools" / "kill_run.py"), "--kills", "10", "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "kills.jsonl").read_text().count("\n") == 10
