"""Where a result came from: package versions and the machine, as far as they can change its last bits."""

import os
import platform
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pcsim.engine.host import SHORT_PRODUCT
from pcsim.jobs import blas_pools, usable_cores
from pcsim.version import __version__

PACKAGES = ("numpy", "scipy", "h5py")
SETTINGS = (
    "OPENBLAS_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "MKL_CBWR",
    "VECLIB_MAXIMUM_THREADS",
    "NPY_DISABLE_CPU_FEATURES",
    "XLA_FLAGS",
)
"""Environment variables that change in which order, or by which kernel, matrix products are summed."""


def describe_machine(packages: Sequence[str] = ()) -> dict[str, str]:
    """Return versions (of these packages too), platform, processor and the threads that may be used, as text."""
    return {
        "versions": ", ".join([f"pcsim {__version__}", f"python {platform.python_version()}", *_versions(packages)]),
        "platform": platform.platform(),
        "processor": _processor(),
        "threads": _threads(),
    }


def _versions(packages: Sequence[str]) -> list[str]:
    found = [(package, _version(package)) for package in (*PACKAGES, *packages)]
    return [f"{package} {number}" for package, number in found if number is not None]


@cache  # what is installed does not change under a process that has imported it
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@cache
def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _threads() -> str:
    """Return how many threads a matrix product may use, which changes the order of sums, and what else is set."""
    most = min([usable_cores(), *(each["num_threads"] for each in blas_pools())])
    told = {name: os.environ[name] for name in SETTINGS if name in os.environ}
    set_otherwise = (f"{name}={value}" for name, value in told.items() if value != str(most))
    return ", ".join([f"{most}, 1 for products below {SHORT_PRODUCT / 1e9:g} GFLOP", *set_otherwise])
