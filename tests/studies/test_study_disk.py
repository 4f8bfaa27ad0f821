"""Studies on a disk that is full: one line, and what was finished before stays."""

from pathlib import Path

import numpy as np
import pytest

from pcsim.studies import results_of
from pcsim.trace import open_trace
from tests.support.faults import faults

# A study writes by the same few calls over and over: every eighth of its changes fails, by one of the kinds in turn.
FAULTS = {f"{kind}-{part}": (kind, part) for part, kind in zip(range(3, 24, 12), ("full", "error"), strict=True)}


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_a_full_disk_leaves_the_results_that_were_finished(tmp_path: Path, fault: tuple[str, int]) -> None:
    kind, part = fault
    for outcome in faults("study", kind, tmp_path, lambda folder: None, lambda count: range(1 + part, count + 1, 24)):
        assert outcome.exit_code in (0, 1), outcome
        assert outcome.exit_code == 0 or "run.h5: cannot write on (" in outcome.said, outcome
        left = {file.name for file in outcome.folder.iterdir()}
        assert left <= {"run.h5", "run.h5.rows"}
        if "run.h5" in left:
            with open_trace(outcome.folder / "run.h5") as trace:
                assert trace.status != "complete" or outcome.exit_code == 0
                assert np.isfinite(results_of(trace)["energy"].values).any()
