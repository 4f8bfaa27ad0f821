"""CuPy's host code without a GPU: launches, products in cuBLAS's words, what is said where no device answers."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pcsim_cupy import CupyBackend
from pcsim_cupy.availability import answering, find_device
from pcsim_cupy.kernels import cuda
from pcsim_cupy.kernels.cuda import CudaDevice
from pcsim_cupy.kernels.device import Device
from pcsim_cupy.kernels.dynamics import form_of
from pcsim_cupy.kernels.gemm import Product, call
from pcsim_cupy.kernels.memory import needed
from pcsim_cupy.kernels.plan import plan
from pcsim_cupy.kernels.storage import STORAGES
from pcsim_cupy.support import KERNELS

from pcsim.conformance.agreement import RECORD
from pcsim.conformance.cases import settle_on
from pcsim.engine.lowering import lowered_stepper
from pcsim.errors import DeviceFailed, UsageError
from pcsim.inference import ErrorOptimization, IncrementStateOptimization, StateOptimization
from pcsim.learning import Adam, AtTheEnd
from pcsim.learning.trainer import TrainingTask
from pcsim.model.layers import dense_layer, read_as_dense
from tests.backends.cupy.devices import needs_compiler
from tests.shim.device import CpuCupyBackend, CpuDevice
from tests.shim.fake_cupy import CUDARuntimeError, FakeCupy, multiply
from tests.support.cases import KERNEL_METHODS, METHODS, make_case, make_task
from tests.support.learning import learner_on


def graph_of(hidden: int, method: str, *, activation_first: bool = False) -> list[str]:
    """Return what a captured step consists of, for a number of equally wide hidden layers."""
    backend = CpuCupyBackend()
    case = make_case("tanh", widths=(4, *(6,) * hidden, 3), batch=2, activation_first=activation_first)
    settle_on(backend, make_task(case, METHODS[method](case.energy), steps=2))
    return backend.made[-1].graphs[0]


@needs_compiler
@pytest.mark.parametrize("activation_first", [False, True])
@pytest.mark.parametrize(("method", "products", "kernels"), [("state", 4, 2), ("fixed", 2, 2), ("increment", 4, 3)])
def test_launches_of_a_step_do_not_grow_with_depth(
    method: str, products: int, kernels: int, activation_first: bool
) -> None:
    shallow, deep = (Counter(graph_of(h, method, activation_first=activation_first)) for h in (3, 19))
    # Two products for the equal layers in between and two for the last, whose predictions may be fixed.
    assert shallow == deep
    assert deep["product"] == products
    assert deep.total() - deep["product"] == kernels


@needs_compiler
def test_a_step_of_error_optimization_is_a_chain_up_and_down() -> None:
    graph = graph_of(5, "error")
    up = ["predict", *["product", "predict"] * 5]
    assert graph == [*up, "look", *["product", "move"] * 5]


@needs_compiler
def test_every_step_is_the_same_graph_and_the_host_asks_once_a_stretch() -> None:
    backend = CpuCupyBackend()
    case = make_case("tanh")
    settle_on(backend, make_task(case, steps=40, recorded=(0, 40)))
    device = backend.made[-1]
    assert len(device.graphs) == 1
    assert device.counts["graph"] == 40
    # Outside the graph: the passes at the start, the rehearsal of a step, and the look at the end.
    assert device.counts["look"] <= 4


@needs_compiler
@pytest.mark.parametrize("method", ["state", "sequential", "increment"])
@pytest.mark.parametrize("options", [{}, {"activation_first": True, "skip": 2}])
def test_the_start_is_at_rest_however_products_are_summed(method: str, options: dict[str, Any]) -> None:
    case = make_case("tanh", widths=(4, *(33,) * 8, 3), **options)
    task = make_task(case, METHODS[method](case.energy), steps=8, precision="float32", record=("energy",))
    backends = CpuCupyBackend(), CpuCupyBackend(splits=True)
    (whole, rows), (split, same) = (settle_on(backend, task) for backend in backends)
    # Products of one layer and of many do differ here, so that the start took more than one pass.
    assert backends[1].made[-1].counts["look"] > backends[0].made[-1].counts["look"]
    np.testing.assert_array_equal(whole.arrival_steps, split.arrival_steps)
    assert rows.energy is not None
    assert same.energy is not None
    np.testing.assert_array_equal(rows.energy == 0, same.energy == 0)


@pytest.mark.parametrize("a_transposed", [False, True])
@pytest.mark.parametrize("b_transposed", [False, True])
def test_products_are_asked_of_cublas_in_its_own_order(a_transposed: bool, b_transposed: bool) -> None:
    rng, count, rows, columns, inner = np.random.default_rng(0), 3, 4, 5, 6
    a = rng.standard_normal((count, inner, rows) if a_transposed else (count, rows, inner))
    b = rng.standard_normal((count, columns, inner) if b_transposed else (count, inner, columns))
    out = np.full((count, rows, columns), np.nan)
    asked = call(Product(count, rows, columns, inner, a_transposed, b_transposed))
    multiply(asked, (b.reshape(-1), a.reshape(-1), out.reshape(-1)), STORAGES["float64"])
    expected = (a.transpose(0, 2, 1) if a_transposed else a) @ (b.transpose(0, 2, 1) if b_transposed else b)
    np.testing.assert_allclose(out, expected, rtol=1e-13)


class OnFakeCupy(CpuCupyBackend):
    """The backend with the device of real runs, on a CuPy that computes on the CPU."""

    def device(self, precision: str) -> Device:
        return CudaDevice(STORAGES[precision])


@pytest.fixture
def fake_cupy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCupy]:
    fake = FakeCupy(STORAGES[request.param])
    monkeypatch.setattr("pcsim_cupy.kernels.cuda.importlib", fake)
    cuda.kernel_functions.cache_clear()
    yield fake
    cuda.kernel_functions.cache_clear()


@needs_compiler
@pytest.mark.parametrize("fake_cupy", STORAGES, indirect=True)
@pytest.mark.parametrize("method", KERNEL_METHODS)
def test_cupy_is_asked_in_its_own_words(method: str, fake_cupy: FakeCupy, request: pytest.FixtureRequest) -> None:
    precision = request.node.callspec.params["fake_cupy"]
    case = make_case("tanh", widths=(4, 6, 6, 6, 3), batch=5, loss="cross-entropy")
    steps = 1 if method == "backprop" else 4
    task = make_task(case, METHODS[method](case.energy), steps=steps, precision=precision, record=RECORD)
    (ours, rows), (same, reference) = settle_on(OnFakeCupy(), task), settle_on(CpuCupyBackend(threads=32), task)
    assert fake_cupy.launches > 0
    np.testing.assert_array_equal(rows.clock, reference.clock)
    epsilon = float(np.finfo(np.float64 if precision == "float64" else np.float32).eps)
    for a, b in zip((*ours.states, *ours.errors), (*same.states, *same.errors), strict=True):
        # Blocks have more threads, and the sums of the loss another order.
        np.testing.assert_allclose(a, b, rtol=0, atol=64 * epsilon)


@needs_compiler
@pytest.mark.parametrize("fake_cupy", ["float32"], indirect=True)
def test_an_error_of_the_gpu_is_one_line(fake_cupy: FakeCupy) -> None:
    assert fake_cupy.launches == 0
    line = r"^the GPU failed: cudaErrorUnknown; look at nvidia-smi, and run again$"
    with pytest.raises(DeviceFailed, match=line), CudaDevice(STORAGES["float32"]).active():
        raise CUDARuntimeError("cudaErrorUnknown")


class Runtime:
    """CuPy's module of the CUDA runtime, as far as it is asked whether a device answers."""

    class CUDARuntimeError(RuntimeError):
        pass

    def __init__(self, *, driver: int = 12080, devices: int | str = 1) -> None:
        self._driver, self._devices = driver, devices

    def runtimeGetVersion(self) -> int:  # noqa: N802
        return 12090

    def driverGetVersion(self) -> int:  # noqa: N802
        return self._driver

    def getDeviceCount(self) -> int:  # noqa: N802
        if isinstance(self._devices, str):
            raise self.CUDARuntimeError(self._devices)
        return self._devices

    def getDevice(self) -> int:  # noqa: N802
        return 0

    def getDeviceProperties(self, device: int) -> dict[str, Any]:  # noqa: N802
        return {"name": b"NVIDIA Example"}


@pytest.mark.parametrize(
    ("runtime", "problem", "fix"),
    [
        (Runtime(driver=0), "no NVIDIA driver answers", "install a driver"),
        (Runtime(driver=11040), "the NVIDIA driver is too old: it is for CUDA 11.4, CuPy for 12.9", "a newer driver"),
        (Runtime(devices=0), "no GPU is visible", "CUDA_VISIBLE_DEVICES"),
        (Runtime(devices="cudaErrorNoDevice"), r"no GPU answers \(cudaErrorNoDevice\)", "nvidia-smi"),
    ],
)
def test_what_is_missing_is_named_with_its_fix(runtime: Runtime, problem: str, fix: str) -> None:
    found = answering(runtime)
    assert found.problem is not None
    assert found.fix is not None
    np.testing.assert_string_equal(found.problem.split(" (")[0], problem.split(r" \(", maxsplit=1)[0])
    assert fix in found.fix


def test_a_device_that_answers_is_named() -> None:
    assert answering(Runtime()) == ("gpu (NVIDIA Example)", None, None)


def test_a_missing_package_is_named() -> None:
    found = find_device(missing=True)
    assert found.problem == "not installed: cupy"
    assert found.fix == "install it with: pip install 'pcsim[cuda12]' or 'pcsim[cuda13]'"


def test_cupy_is_imported_only_to_run() -> None:
    program = """
import sys, pcsim, pcsim_cupy
pcsim_cupy.CupyBackend()
assert not {"cupy", "cupy_backends", "numba", "jax"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_run_too_large_for_the_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = CupyBackend()
    case = make_case("tanh", batch=2000)
    monkeypatch.setattr(backend, "free_memory", lambda: 2**20)
    with pytest.raises(UsageError, match=r"needs about \d+ MiB of device memory, 1 MiB are free; use a smaller"):
        backend.estimate(make_task(case))


@needs_compiler
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("method", KERNEL_METHODS)
def test_the_memory_of_a_run_is_known_before(method: str, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0

    class Counting(CpuDevice):
        def zeros(self, shape: int | tuple[int, ...], dtype: Any) -> Any:
            nonlocal taken
            found = super().zeros(shape, dtype)
            taken += found.nbytes
            return found

    def device(self: CpuCupyBackend, precision: str) -> Device:
        return Counting(STORAGES[precision])

    monkeypatch.setattr(CpuCupyBackend, "device", device)
    case = make_case("tanh", widths=(40, *(60,) * 6, 10), batch=30)
    task = make_task(case, METHODS[method](case.energy), steps=1, precision=precision)
    settle_on(CpuCupyBackend(), task)
    net = plan(case.energy)
    form, motion = form_of(task.inference, net), lowered_stepper(KERNELS, task.descent.stepper)
    expected = needed(net, 30, form, motion, STORAGES[precision])
    # Where runs are saved is copied from other arrays, and so not counted here.
    assert 0.5 * expected < taken <= expected


def test_networks_without_kernels_are_refused() -> None:
    case = make_case("tanh", skip=2, widths=(6, 6, 6, 6, 6, 3))
    first, second, third, *rest = case.network.layers
    dense = read_as_dense(third)
    assert dense is not None
    for layers in (
        (first, second, dense_layer(replace(dense, skip=-1)), *rest),
        (first, second, dense_layer(replace(dense, source=0)), *rest),
    ):
        energy = replace(case.energy, network=replace(case.network, layers=layers))
        with pytest.raises(UsageError, match=r'^cupy has no kernels for .*; use backend = "jax" or "numpy"$'):
            CpuCupyBackend().estimate(make_task(case, StateOptimization(energy)))


def test_training_in_narrow_formats_is_refused() -> None:
    case = make_case("tanh")
    learner = learner_on(ErrorOptimization(case.energy), rule=AtTheEnd(), optimizer=Adam())
    with pytest.raises(UsageError, match=r"^cupy trains in float32 and float64; use one of these"):
        CpuCupyBackend().trainer(TrainingTask(learner, case.parameters, case.x, case.y, "bfloat16"))


def test_equal_layers_are_stacked() -> None:
    case = make_case("tanh", widths=(6, 6, 6, 6, 4, 4, 4, 3))
    assert [(g.first, g.count) for g in plan(case.energy).groups] == [(0, 1), (1, 2), (3, 1), (4, 2), (6, 1)]
    assert form_of(IncrementStateOptimization(case.energy), plan(case.energy)).known == 1


@needs_compiler
def test_the_optimizers_work_does_not_grow_with_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    update = Adam.update

    def counted(self: Adam, xp: Any, parameter: Any, *rest: Any) -> Any:
        seen.append(parameter.shape)
        return update(self, xp, parameter, *rest)

    monkeypatch.setattr(Adam, "update", counted)
    for hidden in (3, 9):
        seen.clear()
        case = make_case("tanh", widths=(4, *(6,) * hidden, 3), batch=8)
        learner = learner_on(StateOptimization(case.energy), rule=AtTheEnd(), optimizer=Adam())
        task = TrainingTask(learner, case.parameters, case.x, case.y, "float32")
        CpuCupyBackend().trainer(task).run(np.array([[0, 1, 2, 3]]), np.array([0.01]))
        assert seen == [(1, 4, 6), (1, 6), (hidden - 1, 6, 6), (hidden - 1, 6), (1, 6, 3), (1, 3)]
