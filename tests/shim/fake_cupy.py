"""CuPy as far as `kernels.cuda` uses it, on the CPU: streams and graphs that record, cuBLAS and kernels by address.

Names and the order of arguments are those of CuPy 14.
"""

import ctypes
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.special
from numpy.typing import NDArray
from pcsim_cupy.kernels.gemm import Call
from pcsim_cupy.kernels.storage import Storage

from tests.shim.build import library


class Array(np.ndarray[Any, Any]):
    """A numpy array with CuPy's attributes."""

    @property
    def data(self) -> Any:
        return SimpleNamespace(ptr=self.ctypes.data)

    def get(self, stream: Any = None, out: NDArray[Any] | None = None, blocking: bool = True) -> NDArray[Any]:
        assert stream is not None
        assert out is not None
        assert not blocking
        assert stream.waits
        out[...] = self
        return out


def on_device(host: Any, dtype: Any = None) -> Array:
    return np.array(host, dtype).view(Array)


class CUDARuntimeError(RuntimeError):
    """An error of the runtime."""


class CUDADriverError(RuntimeError):
    """An error of the driver."""


class CUBLASError(RuntimeError):
    """An error of cuBLAS."""


class FakeCupy:
    """Modules by their names, and what was asked of them."""

    def __init__(self, storage: Storage) -> None:
        self._storage, self._library = storage, library(storage)
        self.recording: list[Callable[[], None]] | None = None
        self.streams: list[Stream] = []
        self.launches = 0
        fake = self

        def stream(*, non_blocking: bool) -> Stream:
            assert non_blocking
            fake.streams.append(Stream(fake))
            return fake.streams[-1]

        codes = {"CUDA_R_16F": 2, "CUDA_R_16BF": 14, "CUDA_R_32F": 0, "CUDA_R_64F": 1}
        runtime = SimpleNamespace(getDevice=lambda: 0, CUDARuntimeError=CUDARuntimeError, **codes)
        cuda = SimpleNamespace(Stream=stream, runtime=runtime, device=SimpleNamespace(get_cublas_handle=lambda: 1234))
        names = ("exp", "log", "log1p", "tanh", "sqrt", "abs", "maximum", "zeros_like", "where", "stack", "sum", "max")
        functions = {name: getattr(np, name) for name in (*names, "any", "float64")}

        def zeros(shape: Any, dtype: Any) -> Array:
            return np.zeros(shape, dtype).view(Array)

        def asnumpy(array: Array) -> NDArray[Any]:
            return np.array(array)

        cupy = SimpleNamespace(
            cuda=cuda, asarray=on_device, zeros=zeros, asnumpy=asnumpy, RawModule=self._module, **functions
        )
        cublas = SimpleNamespace(
            CUBLAS_COMPUTE_32F=68,
            CUBLAS_COMPUTE_64F=70,
            CUBLAS_GEMM_DEFAULT=-1,
            CUBLASError=CUBLASError,
            setMathMode=self._set_math_mode,
            gemmStridedBatchedEx=self._gemm,
        )
        self._modules = {
            "cupy": cupy,
            "cupyx": SimpleNamespace(empty_pinned=np.empty),
            "cupyx.scipy.special": SimpleNamespace(erfc=scipy.special.erfc),
            "cupy_backends.cuda.libs.cublas": cublas,
            "cupy_backends.cuda.api.runtime": runtime,
            "cupy_backends.cuda.api.driver": SimpleNamespace(CUDADriverError=CUDADriverError),
        }

    def import_module(self, name: str) -> Any:
        return self._modules[name]

    def do(self, work: Callable[[], None]) -> None:
        """Do work now, or record it."""
        if self.recording is None:
            work()
        else:
            self.recording.append(work)

    def _module(self, *, code: str, options: Sequence[str]) -> Any:
        assert "__global__" in code
        assert f"-D{self._storage.macro}" in options
        return SimpleNamespace(get_function=self._function)

    def _function(self, name: str) -> Callable[..., None]:
        address = ctypes.cast(getattr(self._library, name), ctypes.c_void_p)

        def launch(grid: tuple[int, int], block: tuple[int], arguments: tuple[Array, np.int32, np.int32]) -> None:
            net, first, how = arguments
            assert type(first) is np.int32
            assert type(how) is np.int32

            def run() -> None:
                self._library.shim_launch(address, *grid, *block, net.data.ptr, int(first), int(how), 0)

            self.launches += 1
            self.do(run)

        return launch

    def _set_math_mode(self, handle: int, mode: int) -> None:
        assert (handle, mode) == (1234, 16)

    def _gemm(self, *asked: Any) -> None:
        """Compute what cublasGemmStridedBatchedEx is documented to, on what lies at the addresses."""
        handle, transa, transb, m, n, k, alpha, a, a_type, lda, a_stride, b, b_type, ldb, b_stride, *rest = asked
        beta, c, c_type, ldc, c_stride, count, compute, algorithm = rest
        code = {"float16": 2, "bfloat16": 14, "float32": 0, "float64": 1}[self._storage.format.name]
        real = ctypes.c_double if code == 1 else ctypes.c_float
        assert (handle, algorithm, compute) == (1234, -1, 70 if code == 1 else 68)
        assert a_type == b_type == c_type == code
        assert real.from_address(alpha).value == 1.0
        assert real.from_address(beta).value == 0.0
        call = Call(transa, transb, m, n, k, lda, a_stride, ldb, b_stride, ldc, c_stride, count)

        def run() -> None:
            found = (self._at(a, count * m * k), self._at(b, count * k * n), self._at(c, count * m * n))
            multiply(call, found, self._storage)

        self.do(run)

    def _at(self, address: int, size: int) -> NDArray[Any]:
        kind = ctypes.c_ubyte * (size * self._storage.dtype.itemsize)
        return np.ctypeslib.as_array(kind.from_address(address)).view(self._storage.dtype)


class Stream:
    """A stream that does at once what it is asked to, or records it."""

    def __init__(self, fake: FakeCupy) -> None:
        self._fake = fake
        self.waits = 0

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._fake.recording is None

    def begin_capture(self) -> None:
        self._fake.recording = []

    def end_capture(self) -> Any:
        recorded, self._fake.recording = self._fake.recording, None
        assert recorded is not None

        def launch(stream: Stream) -> None:
            assert stream is self
            for run in recorded:
                run()

        return SimpleNamespace(launch=launch)

    def record(self) -> Any:
        return SimpleNamespace(synchronize=lambda: None)

    def wait_event(self, event: Any) -> None:
        assert event is not None
        self.waits += 1


def multiply(asked: Call, arrays: tuple[NDArray[Any], NDArray[Any], NDArray[Any]], storage: Storage) -> None:
    """Compute c = op(a) op(b) of matrices that lie column by column."""
    a, b, c = arrays
    left, right = storage.unpacked(a), storage.unpacked(b)
    for i in range(asked.matrices):
        first = _columns(left, i * asked.stride_a, asked.lda, asked.m, asked.k, bool(asked.transa))
        second = _columns(right, i * asked.stride_b, asked.ldb, asked.k, asked.n, bool(asked.transb))
        _columns(c, i * asked.stride_c, asked.ldc, asked.m, asked.n, False)[...] = storage.packed(first @ second)


def _columns(memory: NDArray[Any], at: int, ld: int, rows: int, columns: int, transposed: bool) -> NDArray[Any]:
    shape = (columns, rows) if transposed else (rows, columns)
    found = np.lib.stride_tricks.as_strided(memory[at:], shape, (memory.itemsize, ld * memory.itemsize))
    return found.T if transposed else found
