"""A device on the CPU: numpy's arrays and products, and the CUDA kernels through the shim.

It is stricter than a GPU: what is captured may only multiply and launch, and copies to the host are made as late as can
be, so that whatever writes over them on the way is found out.
"""

import ctypes
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.special
from numpy.typing import NDArray
from pcsim_cupy import CupyBackend
from pcsim_cupy.kernels.device import Device
from pcsim_cupy.kernels.gemm import Product
from pcsim_cupy.kernels.storage import STORAGES, Storage
from pcsim_cupy.namespace import CupyNamespace

from pcsim.engine.backend import Capabilities
from pcsim.model.arrays import Array
from tests.shim.build import library


class CpuDevice:
    """Runs at once whatever is asked for, and counts it; `reversed_order` turns threads and blocks round.

    `splits` makes the products of many layers at once differ in their last bits from those of one, as a GPU's may.
    """

    def __init__(
        self, storage: Storage, *, threads: int = 8, reversed_order: bool = False, splits: bool = False
    ) -> None:
        self.storage, self.namespace = storage, CupyNamespace(np, scipy.special.erfc)
        self.counts: Counter[str] = Counter()
        self.graphs: list[list[str]] = []
        self._threads, self._reversed, self._splits = threads, reversed_order, splits
        self._library = library(storage)
        self._recording: list[tuple[str, Callable[[], None]]] | None = None
        self._is_active = False

    @contextmanager
    def active(self) -> Generator[None]:
        self._is_active = True
        try:
            with np.errstate(all="ignore"):
                yield
        finally:
            self._is_active = False

    def threads(self, units: int) -> int:
        return min(self._threads, 1 << (units - 1).bit_length())

    def zeros(self, shape: int | tuple[int, ...], dtype: Any) -> Array:
        self._outside_a_graph()
        return np.zeros(shape, dtype)

    def put(self, host: NDArray[Any]) -> Array:
        self._outside_a_graph()
        return np.array(host, order="C")

    def get(self, array: Array) -> NDArray[Any]:
        self._outside_a_graph()
        return array.copy()

    def address(self, array: Array) -> int:
        assert array.flags.c_contiguous
        return array.ctypes.data

    def product(self, product: Product, a: Array, b: Array, out: Array) -> None:
        assert a.dtype == b.dtype == out.dtype == self.storage.dtype
        assert a.flags.c_contiguous
        assert b.flags.c_contiguous
        assert out.flags.c_contiguous
        assert out.size == product.matrices * product.rows * product.columns
        self._do("product", lambda: self._multiply(product, a, b, out))

    def launch(self, kernel: str, blocks: tuple[int, int], threads: int, net: Array, first: int, how: int) -> None:
        address = ctypes.cast(getattr(self._library, kernel), ctypes.c_void_p)

        def run() -> None:
            self._library.shim_launch(address, *blocks, threads, net.ctypes.data, first, how, self._reversed)

        self._do(kernel, run)

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        assert self._is_active
        self._recording = []
        work()
        recorded, self._recording = self._recording, None
        self.graphs.append([name for name, _ in recorded])

        def repeat() -> None:
            self.counts["graph"] += 1
            for _, run in recorded:
                run()

        return repeat

    def fetch(self, arrays: Sequence[Array]) -> Callable[[], list[NDArray[Any]]]:
        self._outside_a_graph()
        return lambda: [array.copy() for array in arrays]

    def _do(self, name: str, run: Callable[[], None]) -> None:
        assert self._is_active
        if self._recording is not None:
            self._recording.append((name, run))
            return
        self.counts[name] += 1
        run()

    def _outside_a_graph(self) -> None:
        assert self._recording is None
        assert self._is_active

    def _multiply(self, product: Product, a: Array, b: Array, out: Array) -> None:
        count, rows, columns, inner, a_transposed, b_transposed = product
        left = self._wide(a)[: count * rows * inner]
        left = left.reshape(count, inner, rows).transpose(0, 2, 1) if a_transposed else left.reshape(count, rows, inner)
        right = self._wide(b).reshape((count, columns, inner) if b_transposed else (count, inner, columns))
        right = right.transpose(0, 2, 1) if b_transposed else right
        if self._splits and count > 1:
            half = inner // 2
            found = left[:, :, :half] @ right[:, :half] + left[:, :, half:] @ right[:, half:]
        else:
            found = left @ right
        out[...] = self.storage.packed(found).reshape(out.shape)

    def _wide(self, array: Array) -> NDArray[Any]:
        return self.storage.unpacked(array).reshape(-1)


class CpuCupyBackend(CupyBackend):
    """The backend with such devices; `made` are those it had, the last one last."""

    def __init__(self, **options: Any) -> None:
        self.options, self.made = options, list[CpuDevice]()

    def device(self, precision: str) -> Device:
        self.made.append(CpuDevice(STORAGES[precision], **self.options))
        return self.made[-1]

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), device="cpu (shim)", problem=None, fix=None)

    def free_memory(self) -> int:
        return 2**30
