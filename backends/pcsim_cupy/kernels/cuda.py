"""A device on CuPy: arrays of its own stream, products by cuBLAS, kernels by NVRTC, steps as CUDA graphs."""

import functools
import importlib
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from pcsim.errors import DeviceFailed
from pcsim.model.arrays import Array
from pcsim.typing import NDArray
from pcsim_cupy import kernels
from pcsim_cupy.kernels import gemm
from pcsim_cupy.kernels.storage import Storage
from pcsim_cupy.namespace import CupyNamespace

FLOAT32_ACCUMULATION = 16
"""CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION: sums of 16-bit products stay in float32."""
FEWEST_THREADS, MOST_THREADS = 32, 256


class CudaDevice:
    """The current GPU in one precision; every array and every launch belongs to a stream of its own."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._cupy: Any = importlib.import_module("cupy")
        self._cupyx: Any = importlib.import_module("cupyx")
        self._cublas: Any = importlib.import_module("cupy_backends.cuda.libs.cublas")
        erfc = importlib.import_module("cupyx.scipy.special").erfc
        self.namespace = CupyNamespace(self._cupy, erfc)
        cuda = self._cupy.cuda
        self._stream, self._copies = cuda.Stream(non_blocking=True), cuda.Stream(non_blocking=True)
        self._functions = kernel_functions(storage.macro, cuda.runtime.getDevice())
        real = np.float64 if storage.dtype == np.float64 else np.float32
        # cuBLAS reads these on the host whenever a product is asked for.
        self._one, self._zero = np.ones(1, real), np.zeros(1, real)
        runtime = cuda.runtime
        self._type: int = {
            "float16": runtime.CUDA_R_16F,
            "bfloat16": runtime.CUDA_R_16BF,
            "float32": runtime.CUDA_R_32F,
            "float64": runtime.CUDA_R_64F,
        }[storage.format.name]
        wide = storage.dtype == np.float64
        self._compute: int = self._cublas.CUBLAS_COMPUTE_64F if wide else self._cublas.CUBLAS_COMPUTE_32F

    @contextmanager
    def active(self) -> Generator[None]:
        """Send what is asked to this device's stream; errors of the driver become a line for the user."""
        runtime: Any = importlib.import_module("cupy_backends.cuda.api.runtime")
        driver: Any = importlib.import_module("cupy_backends.cuda.api.driver")
        try:
            with self._stream:
                yield
        except (runtime.CUDARuntimeError, driver.CUDADriverError, self._cublas.CUBLASError) as error:
            raise DeviceFailed(f"the GPU failed: {error}; look at nvidia-smi, and run again") from error

    def threads(self, units: int) -> int:
        """Return the power of two from 32 to 256 that is next to the units of a row."""
        return min(MOST_THREADS, max(FEWEST_THREADS, 1 << (units - 1).bit_length()))

    def zeros(self, shape: int | tuple[int, ...], dtype: Any) -> Array:
        """Return a new array of zeros."""
        return self._cupy.zeros(shape, dtype)

    def put(self, host: NDArray[Any]) -> Array:
        """Return a host array on the device."""
        return self._cupy.asarray(host)

    def get(self, array: Array) -> NDArray[Any]:
        """Return an array on the host."""
        return self._cupy.asnumpy(array)

    def address(self, array: Array) -> int:
        """Return where an array begins."""
        return int(array.data.ptr)

    def product(self, product: gemm.Product, a: Array, b: Array, out: Array) -> None:
        """Write matrix products to `out`."""
        if 0 in product[:4]:
            return
        call = gemm.call(product)
        handle = self._cupy.cuda.device.get_cublas_handle()
        self._cublas.setMathMode(handle, FLOAT32_ACCUMULATION)
        self._cublas.gemmStridedBatchedEx(
            *(handle, call.transa, call.transb, call.m, call.n, call.k, self._one.ctypes.data),
            *(b.data.ptr, self._type, call.lda, call.stride_a),
            *(a.data.ptr, self._type, call.ldb, call.stride_b),
            *(self._zero.ctypes.data, out.data.ptr, self._type, call.ldc, call.stride_c),
            *(call.matrices, self._compute, self._cublas.CUBLAS_GEMM_DEFAULT),
        )

    def launch(self, kernel: str, blocks: tuple[int, int], threads: int, net: Array, first: int, how: int) -> None:
        """Run a kernel."""
        self._functions[kernel](blocks, (threads,), (net, np.int32(first), np.int32(how)))

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Return what launches the graph of `work`."""
        self._stream.begin_capture()
        work()
        graph = self._stream.end_capture()
        return functools.partial(graph.launch, stream=self._stream)

    def fetch(self, arrays: Sequence[Array]) -> Callable[[], list[NDArray[Any]]]:
        """Copy arrays to pinned memory on a stream beside the other."""
        self._copies.wait_event(self._stream.record())
        hosts = [self._cupyx.empty_pinned(array.shape, array.dtype) for array in arrays]
        for array, host in zip(arrays, hosts, strict=True):
            array.get(stream=self._copies, out=host, blocking=False)
        done = self._copies.record()

        def wait() -> list[NDArray[Any]]:
            done.synchronize()
            return hosts

        return wait


@functools.cache
def kernel_functions(macro: str, device: int) -> dict[str, Any]:
    """Return the kernels compiled for a type of storage and the current device; CuPy keeps them on disk, too."""
    del device
    cupy: Any = importlib.import_module("cupy")
    module = cupy.RawModule(code=kernels.source(), options=(*kernels.OPTIONS, f"-D{macro}"))
    return {name: module.get_function(name) for name in kernels.NAMES}
