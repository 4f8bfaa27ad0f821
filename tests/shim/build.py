"""The unmodified kernels compiled for the CPU, by g++ through the shim; once for every content of the sources."""

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path

from pcsim_cupy import kernels
from pcsim_cupy.kernels.storage import Storage

HERE = Path(__file__).parent
GXX = shutil.which("g++")
NO_COMPILER = "needs g++, which compiles the CUDA kernels for the CPU"
FLAGS = ("-O1", "-std=c++17", "-ffp-contract=off", "-U_FORTIFY_SOURCE", "-Wall", "-Wextra", "-Werror", "-fPIC")


def build(storage: Storage, *flags: str) -> Path:
    """Return a shared library with the kernels for a type of storage."""
    assert GXX is not None
    files = (HERE / "cuda.h", *kernels.paths(), HERE / "launch.h")
    program = "".join(f'#include "{file}"\n' for file in files)
    options = (*FLAGS, *flags, f"-D{storage.macro}")
    content = "".join((*options, *(file.read_text(encoding="utf-8") for file in files)))
    target = Path(tempfile.gettempdir()) / f"pcsim-shim-{sha256(content.encode()).hexdigest()[:16]}.so"
    if not target.exists():
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "kernels.so"
            command = [GXX, *options, "-shared", "-x", "c++", "-", "-o", str(made)]
            subprocess.run(command, input=program, text=True, check=True)
            # Processes that build it at once must not see half of it.
            moved = target.with_name(f"{target.name}.{os.getpid()}")
            shutil.move(made, moved)
            moved.replace(target)
    return target


@functools.cache
def library(storage: Storage) -> ctypes.CDLL:
    """Return the loaded kernels."""
    found = ctypes.CDLL(str(build(storage, *os.environ.get("PCSIM_SHIM_FLAGS", "").split())))
    found.shim_launch.argtypes = [
        *(ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p),
        *(ctypes.c_int, ctypes.c_int, ctypes.c_int),
    ]
    return found
