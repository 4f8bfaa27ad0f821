"""What the host asks of a device. There is one implementation, on CuPy; tests have another, on the CPU."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from pcsim.model.arrays import Array, Namespace
from pcsim.typing import NDArray
from pcsim_cupy.kernels.gemm import Product
from pcsim_cupy.kernels.storage import Storage


@runtime_checkable
class Device(Protocol):
    """Arrays, products and kernels of one precision, in the order they are asked for."""

    @property
    def storage(self) -> Storage: ...

    @property
    def namespace(self) -> Namespace:
        """The core's functions on arrays of the device."""
        ...

    def active(self) -> AbstractContextManager[None]:
        """Return a context for all that is asked of the device."""
        ...

    def threads(self, units: int) -> int:
        """Return how many threads a block should have for rows of so many units, a power of two up to 256."""
        ...

    def zeros(self, shape: int | tuple[int, ...], dtype: Any) -> Array:
        """Return a new array of zeros."""
        ...

    def put(self, host: NDArray[Any]) -> Array:
        """Return a host array on the device, in its own type."""
        ...

    def get(self, array: Array) -> NDArray[Any]:
        """Return an array on the host, once all that was asked for before is done."""
        ...

    def address(self, array: Array) -> int:
        """Return where an array begins."""
        ...

    def product(self, product: Product, a: Array, b: Array, out: Array) -> None:
        """Write matrix products to `out`; all three are contiguous, in the type of storage."""
        ...

    def launch(self, kernel: str, blocks: tuple[int, int], threads: int, net: Array, first: int, how: int) -> None:
        """Run a kernel with (samples, layers) blocks of threads."""
        ...

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Return a function that repeats the products and launches of `work`, which is not done now."""
        ...

    def fetch(self, arrays: Sequence[Array]) -> Callable[[], list[NDArray[Any]]]:
        """Start to copy contiguous arrays to the host beside what comes next; return a function that waits for it."""
        ...
