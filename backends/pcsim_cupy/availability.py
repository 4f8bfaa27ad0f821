"""Whether a GPU answers, and what to do where none does."""

import importlib
from importlib.util import find_spec
from typing import Any, NamedTuple

from pcsim.errors import UsageError


class Found(NamedTuple):
    """The device, or why there is none and the fix."""

    device: str
    problem: str | None = None
    fix: str | None = None


def find_device(missing: bool | None = None) -> Found:
    """Ask the driver for a device, without allocating there; `missing` says that CuPy is not installed."""
    if find_spec("cupy") is None if missing is None else missing:
        return Found("gpu", "not installed: cupy", "install it with: pip install 'pcsim[cuda12]' or 'pcsim[cuda13]'")
    try:
        runtime: Any = importlib.import_module("cupy_backends.cuda.api.runtime")
    except ImportError as error:
        fix = "install it with its libraries: pip install 'pcsim[cuda12]' or 'pcsim[cuda13]'"
        return Found("gpu", f"CuPy cannot be loaded ({error})", fix)
    return answering(runtime)


def answering(runtime: Any) -> Found:
    """Return the current device of a CUDA runtime, as CuPy's module shows it."""
    needed = _version(runtime.runtimeGetVersion())
    try:
        driver = int(runtime.driverGetVersion())
        if driver == 0:
            return Found("gpu", "no NVIDIA driver answers", "install a driver, or run where there is a GPU")
        if driver // 1000 < runtime.runtimeGetVersion() // 1000:
            problem = f"the NVIDIA driver is too old: it is for CUDA {_version(driver)}, CuPy for {needed}"
            older = f", or pip install 'pcsim[cuda{driver // 1000}]'" if driver // 1000 == 12 else ""
            return Found("gpu", problem, f"install a newer driver{older}")
        if runtime.getDeviceCount() == 0:
            return Found("gpu", "no GPU is visible", "run where there is one, or look at CUDA_VISIBLE_DEVICES")
        name = runtime.getDeviceProperties(runtime.getDevice())["name"].decode()
    except runtime.CUDARuntimeError as error:
        return Found("gpu", f"no GPU answers ({error})", "look at nvidia-smi and CUDA_VISIBLE_DEVICES")
    return Found(f"gpu ({name})")


def free_memory() -> int:
    """Return how many bytes are free on the current device; raises `UsageError` where it does not say.

    What earlier runs of this process took CuPy keeps for the next.
    """
    runtime: Any = importlib.import_module("cupy_backends.cuda.api.runtime")
    pool: Any = importlib.import_module("cupy").get_default_memory_pool()
    try:
        return int(runtime.memGetInfo()[0]) + int(pool.free_bytes())
    except runtime.CUDARuntimeError as error:
        raise UsageError(f"the GPU cannot be used ({error}); look at nvidia-smi for what holds its memory") from error


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"
