"""Whole runs on CuPy's kernels through the shim: other programs' numbers, and what is left where a device fails."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pcsim_cupy import CupyBackend
from pcsim_cupy.kernels.device import Device
from pcsim_cupy.kernels.storage import STORAGES

import pcsim
from pcsim.errors import DeviceFailed, RunFailed, UsageError
from tests.backends.cupy.devices import PROBLEM, needs_compiler
from tests.golden.test_golden import CASES, HERE, TOLERANCE, agree
from tests.shim.device import CpuCupyBackend, CpuDevice

pytestmark = needs_compiler


def use(backend: CupyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> CupyBackend:
        assert name == "cupy"
        return backend

    monkeypatch.setattr("pcsim.runs.simulation.load_backend", load)


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("flow")])
def test_other_programs_numbers(case: str, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use(CpuCupyBackend(), monkeypatch)
    expected = np.load(HERE / case / "expected.npz")
    values, gradients = TOLERANCE[precision]
    scenario = pcsim.read_scenario(HERE / case / "scenario.toml")
    with pcsim.run(scenario, backend="cupy", precision=precision) as trace:
        assert trace.attributes["device"] == "cpu (shim)"
        agree(trace.energy, expected["energy"], values)
        for name in expected.files:
            if name.startswith("final_state_"):
                agree(trace.final_states[int(name.rsplit("_", 1)[1])], expected[name], values)
            elif name[:2] in ("dW", "db"):
                agree(trace.gradient[f"{name[1]}_{name[2:]}"], expected[name], gradients)


class Failing(CpuDevice):
    """A device that hands over some stretches of rows, and then no more."""

    left = 3

    def fetch(self, arrays: Sequence[Any]) -> Any:
        handed = super().fetch(arrays)
        self.left -= 1

        def wait(left: int = self.left) -> list[NDArray[Any]]:
            if left < 0:
                raise DeviceFailed("the GPU failed: cudaErrorUnknown; look at nvidia-smi, and run again")
            return handed()

        return wait


class Full(CpuDevice):
    """A device without memory."""

    def zeros(self, shape: int | tuple[int, ...], dtype: Any) -> Any:
        raise MemoryError("Out of memory allocating 512 bytes")


class Other(CpuCupyBackend):
    """The backend with devices of another kind."""

    def __init__(self, kind: type[CpuDevice]) -> None:
        super().__init__()
        self.kind = kind

    def device(self, precision: str) -> Device:
        return self.kind(STORAGES[precision])


def test_a_device_that_fails_leaves_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pcsim.engine.loop.stretches.FIRST_STRETCH", 5)
    monkeypatch.setattr("pcsim.engine.loop.stretches.SECONDS", 0.0)
    use(Other(Failing), monkeypatch)
    scenario, path = pcsim.read_scenario("signal-decay"), tmp_path / "run.h5"
    with pytest.raises(RunFailed, match=r"cudaErrorUnknown.*; the trace up to there is in .*run\.h5$") as failed:
        pcsim.run(scenario, backend="cupy", path=path)
    assert failed.value.exit_code == 1
    with pcsim.open_trace(path) as trace:
        assert trace.status == "failed"
        assert 5 <= len(trace.energy) < scenario.inference.steps


def test_a_device_without_memory_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    use(Other(Full), monkeypatch)
    with pytest.raises(RunFailed, match=r"^out of memory: Out of memory allocating .*; use a smaller data.batch"):
        pcsim.run(pcsim.read_scenario("signal-decay"), backend="cupy")


@pytest.mark.skipif(PROBLEM is None, reason="a GPU answers here")
def test_without_a_device_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    use(CupyBackend(), monkeypatch)
    with pytest.raises(UsageError, match=r"backend 'cupy' cannot be used here: .*; .*") as refused:
        pcsim.run(pcsim.read_scenario("signal-decay"), backend="cupy")
    assert refused.value.exit_code == 2
