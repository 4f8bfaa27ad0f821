"""A pool of processes can return traces: by path, or with all they hold."""

import pickle
from pathlib import Path

import numpy as np
import pytest

import pcsim
from pcsim.errors import UsageError
from tests.support.scenario_files import TEXT, Files


@pytest.mark.parametrize("path", [None, "s.h5"])
def test_a_trace_travels(files: Files, monkeypatch: pytest.MonkeyPatch, path: str | None) -> None:
    with pcsim.run(files.read(TEXT), path=path) as trace:
        sent = pickle.dumps(trace)
        energy, states, provenance = trace.energy, trace.final_states, trace.provenance
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    with pickle.loads(sent) as received:
        assert np.array_equal(received.energy, energy)
        assert all(map(np.array_equal, received.final_states, states))
        assert received.provenance == provenance
        assert (received.path is None) == (path is None)
        assert pcsim.verify(received).agrees


def test_what_is_made_of_traces_travels_too(files: Files) -> None:
    with pcsim.compare(files.read(TEXT)) as comparison, pickle.loads(pickle.dumps(comparison)) as received:
        assert received.labels == comparison.labels
        assert np.array_equal(received.relative_error(0), comparison.relative_error(0))


def test_a_trace_in_memory_that_is_closed_is_gone(files: Files) -> None:
    trace = pcsim.run(files.read(TEXT))
    trace.close()
    with pytest.raises(UsageError, match="the trace is closed"):
        pickle.dumps(trace)
