"""Studies of very many runs: what is read of them are columns, and not the arrays of every run."""

import tracemalloc
from pathlib import Path

import numpy as np

import pcsim
from pcsim.scenario import parse_scenario
from pcsim.studies import Measured
from pcsim.studies.file import rows_of_trace, write_study
from pcsim.studies.rows import Row
from tests.studies.test_resumed import TRAINING

RUNS, STEPS = 2000, 500


def test_results_of_many_runs_do_not_read_their_arrays(tmp_path: Path) -> None:
    rates = np.logspace(-5, 0, RUNS)
    rows = [
        Row(
            f"{i:032x}",
            {"learning.lr": float(rates[i]), "seed": i % 5},
            {"energy": np.full(STEPS, i, dtype=np.float64)},
            {"test_accuracy": i / RUNS},
            "training diverged" if i % 100 == 0 else "",
            seconds=1.0,
        )
        for i in range(RUNS)
    ]
    attributes = {"study": "energies", "status": "complete", "title": "many", "seed": 0}
    energy = Measured(np.ones((RUNS, STEPS)), ("run", "row"), "energy")
    write_study(tmp_path / "s.h5", parse_scenario(TRAINING), attributes, {"energy": energy}, rows, new=True).close()
    arrays = RUNS * STEPS * 8
    assert (tmp_path / "s.h5").stat().st_size > 2 * arrays
    tracemalloc.start()
    runs = pcsim.results(tmp_path / "s.h5")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < arrays / 2
    assert [values["learning.lr"] for values in runs.values] == rates.tolist()
    assert sum(map(bool, runs.failure)) == RUNS // 100
    assert runs.groups()[0].values["learning.lr"] == 1.0
    with pcsim.open_trace(tmp_path / "s.h5") as trace:
        last = rows_of_trace(trace)[-1]
    assert (last.measured["energy"] == RUNS - 1).all()
