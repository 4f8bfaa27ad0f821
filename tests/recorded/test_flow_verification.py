"""Traces in continuous time verified: the same bits again, and every change found."""

from typing import Any

import h5py
import pytest

import pcsim
from pcsim.errors import Interrupted, RunFailed, UsageError
from pcsim.recorded.resimulation import simulation_of
from pcsim.recorded.verification import SOLVER_MARGIN, Verification
from pcsim.trace import Trace
from tests.support.flow_files import EVERYTHING, NOISE, STOP, interrupting, run
from tests.support.scenario_files import Files


def verified(trace: Trace, **options: Any) -> Verification:
    with trace:
        return pcsim.verify(trace, **options)


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("network.widths=[64,128,128,10]",),
        ("inference.method=error", "inference.solver=radau"),
        ("inference.save_at={log=[0.01,5.0,30]}", "inference.solver=bdf"),
        STOP,
        NOISE,
    ],
    ids=str,
)
def test_the_same_bits_again(files: Files, overrides: tuple[str, ...]) -> None:
    result = verified(run(files, EVERYTHING, *overrides))
    assert result.agrees
    assert result.tolerance == 0
    assert {"solver steps", "arrival times", "errors"} <= set(result.compared)


@pytest.mark.parametrize("path", ["solver/evaluations", "arrival_time", "time"])
def test_every_change_is_found(files: Files, path: str) -> None:
    run(files, path="s.h5").close()
    with h5py.File("s.h5", "r+") as file:
        changed: Any = file[path]
        changed[0] += 1
    assert not verified(pcsim.open_trace("s.h5")).agrees


def elsewhere(trace: Trace) -> Trace:
    trace.file["provenance"].attrs["processor"] = trace.file["provenance"].attrs["platform"] = "another"
    return trace


@pytest.mark.parametrize(
    ("overrides", "off"),
    [((), 1e-6 + 1e-9), (("inference.stop={grad_norm=1e-4}", "inference.t_end=300.0"), 1e-4 + 1e-6 + 1e-9)],
    ids=["end", "stop"],
)
def test_elsewhere_solvers_agree_to_the_tolerance_asked_for(
    files: Files, overrides: tuple[str, ...], off: float
) -> None:
    with elsewhere(run(files, *overrides)) as trace:
        task = simulation_of(trace).task
        assert task.stop is None
        assert getattr(task.motion, "times", None) == tuple(trace.steps)
        result = pcsim.verify(trace)
    assert result.agrees
    assert result.tolerance == pytest.approx(SOLVER_MARGIN * off)


def test_noise_is_drawn_the_same_elsewhere(files: Files) -> None:
    with run(files, *NOISE) as trace:
        assert pcsim.verify(trace, precision="float32").agrees


@pytest.mark.exhaustive
def test_noise_is_drawn_the_same_on_jax(files: Files) -> None:
    with run(files, *NOISE) as trace, run(files, *NOISE, "backend.name=jax") as other:
        assert abs(trace.energy - other.energy).max() < 1e-12
        assert pcsim.verify(trace, backend="jax").agrees


def test_noise_of_older_versions_is_not_verified(files: Files) -> None:
    run(files, *NOISE, path="s.h5").close()
    with h5py.File("s.h5", "r+") as file:
        del file.attrs["draws"]
    with pcsim.open_trace("s.h5") as trace, pytest.raises(UsageError, match="has noise that an older version drew"):
        pcsim.verify(trace)


def test_a_diverged_flow_is_verified_as_far_as_it_went(files: Files) -> None:
    with pytest.raises(RunFailed, match="time 0") as caught:
        run(files, "network.init=normal", "network.std=1e200")
    assert verified(caught.value.trace).agrees


def test_a_trace_ended_by_a_full_disk_is_run_again_up_to_its_last_row(files: Files) -> None:
    with pytest.raises(Interrupted):
        run(files, path="s.h5", progress=interrupting)
    with h5py.File("s.h5", "r+") as file:
        file.attrs["status"] = "failed"
    assert verified(pcsim.open_trace("s.h5")).agrees
