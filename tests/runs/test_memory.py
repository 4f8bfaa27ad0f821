"""Files that memory does not suffice for are not called damaged."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import pcsim
from pcsim.runs.checkpoint import Checkpoint, Origin, write_checkpoint
from tests.support.scenario_files import TEXT, Files

READING = """
import resource, sys
from pathlib import Path
import pcsim
from pcsim.datasets.archive import read_arrays
from pcsim.errors import UsageError
from pcsim.runs.checkpoint import read_checkpoint
from pcsim.trace import open_trace

pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, 2 * (pages * resource.getpagesize() + 2**23,))
for read in (
    lambda: read_arrays(Path("x.npz"), ("x",)),
    lambda: read_checkpoint(Path("s.checkpoint")),
    lambda: open_trace("s.h5").array("final/output")[0, :1],
):
    try:
        read()
    except (UsageError, MemoryError) as error:
        print(type(error).__name__, error)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Linux tells how much memory a process has")
def test_what_memory_does_not_suffice_for_is_not_called_damaged(files: Files) -> None:
    large = np.zeros(2**22)
    np.savez_compressed("x.npz", x=large)
    write_checkpoint(Path("s.checkpoint"), Checkpoint(Origin("", "", "", ""), {"W": large}, {}))
    pcsim.run(files.read(TEXT), path="s.h5").close()
    with h5py.File("s.h5", "r+") as file:
        del file["final/output"]
        file.create_dataset("final/output", data=large.reshape(16, -1), chunks=(16, 2**18), compression="gzip")
    done = subprocess.run([sys.executable, "-c", READING], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("UsageError x.npz: array 'x': out of memory: Unable to allocate 32.0 MiB")
    assert lines[1].startswith("UsageError s.checkpoint: out of memory")
    assert lines[2].startswith(("UsageError s.h5: out of memory", "MemoryError", "_ArrayMemoryError"))
