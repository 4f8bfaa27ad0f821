"""The CUDA kernels without a GPU: what NVRTC makes of them, and what the shim on the CPU finds."""

import ctypes
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pcsim_cupy import kernels
from pcsim_cupy.kernels.buffers import FIELDS, NUMBERS, REALS
from pcsim_cupy.kernels.storage import STORAGES

from pcsim.conformance.agreement import RECORD, present
from pcsim.conformance.cases import settle_on
from pcsim.engine import lowering
from tests.backends.cupy.devices import needs_compiler
from tests.shim.build import GXX, HERE
from tests.shim.device import CpuCupyBackend
from tests.support.cases import KERNEL_METHODS, make_case, make_task
from tests.support.covering import covering
from tests.support.narrow import patterns
from tests.support.places import ROOT

NO_NVRTC = "needs NVRTC: pip install nvidia-cuda-nvrtc-cu12"
ARCHITECTURES = (75, 80, 90, 120)


def nvrtc() -> ctypes.CDLL | None:
    spec = find_spec("nvidia")
    folders = () if spec is None or spec.submodule_search_locations is None else spec.submodule_search_locations
    found = [path for folder in folders for path in Path(folder).glob("*/lib/libnvrtc.so.*")]
    return ctypes.CDLL(str(found[0])) if found else None


def compiled(library: ctypes.CDLL, *options: str) -> bytes:
    """Return the machine code of the kernels."""
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    source = kernels.source().encode()
    assert library.nvrtcCreateProgram(ctypes.byref(program), source, b"pcsim.cu", 0, None, None) == 0
    arguments = [option.encode() for option in options]
    code = library.nvrtcCompileProgram(program, len(arguments), (ctypes.c_char_p * len(arguments))(*arguments))
    assert library.nvrtcGetProgramLogSize(program, ctypes.byref(size)) == 0
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    assert code == 0, log.value.decode()
    assert log.value == b""
    library.nvrtcGetCUBINSize(program, ctypes.byref(size))
    binary = ctypes.create_string_buffer(size.value)
    library.nvrtcGetCUBIN(program, binary)
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return binary.raw


@covering(architecture=ARCHITECTURES, precision=list(STORAGES))
def test_nvrtc_compiles_every_kernel(architecture: int, precision: str) -> None:
    library = nvrtc()
    if library is None:
        pytest.skip(NO_NVRTC)
    options = (*kernels.OPTIONS, f"-D{STORAGES[precision].macro}", f"--gpu-architecture=sm_{architecture}")
    binary = compiled(library, *options)
    assert binary.startswith(b"\x7fELF")
    for name in kernels.NAMES:
        assert f".text.{name}\0".encode() in binary


def test_kernels_and_host_agree_on_the_fields_of_a_run() -> None:
    text = next(path for path in kernels.paths() if path.stem == "net").read_text(encoding="utf-8")
    struct = text.split("struct Net {")[1].split("};")[0]
    lines = [line.split("//")[0].strip() for line in struct.splitlines()]
    names = [re.sub(r".*[ *]", "", name.strip()) for line in lines if line for name in line.rstrip(";").split(",")]
    assert tuple(names) == FIELDS
    assert "long long " + ", ".join(NUMBERS) in struct
    assert "double " + ", ".join(REALS) in struct


def test_kernels_and_host_agree_on_their_words() -> None:
    words = dict[str, int]()
    for body in re.findall(r"enum \{(.*?)\};", kernels.source(), re.DOTALL):
        for k, word in enumerate(body.split(",")):
            name, _, value = word.partition("=")
            words[name.strip()] = int(value or k)
    named = {**vars(kernels), **vars(lowering)}
    ours = {name: value for name, value in named.items() if name.isupper() and isinstance(value, int)}
    # Methods are put together by the host.
    methods = {"STATE", "SEQUENTIAL", "INCREMENT", "SEQUENTIAL_INCREMENT", "ERROR", "BACKPROP"}
    assert {name: words[name] for name in ours.keys() - methods} | {name: ours[name] for name in methods} == ours
    assert set(re.findall(r"__global__ void (\w+)", kernels.source())) == set(kernels.NAMES)


CONVERSIONS = """
extern "C" void widen(const real *from, float *to, int n) { for (int k = 0; k < n; k++) to[k] = widened(from[k]); }
extern "C" void narrow(const float *from, real *to, int n) { for (int k = 0; k < n; k++) to[k] = narrowed(from[k]); }
"""


@needs_compiler
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_narrow_numbers_are_converted_as_everybody_does(precision: str, tmp_path: Path) -> None:
    storage, target = STORAGES[precision], tmp_path / "conversions.so"
    shim, numbers = HERE / "cuda.h", kernels.paths()[0]
    program = f'#include "{shim}"\n#include "{numbers}"\n{CONVERSIONS}'
    command = [str(GXX), "-shared", "-fPIC", f"-D{storage.macro}", "-x", "c++", "-", "-o", str(target)]
    subprocess.run(command, input=program, text=True, check=True)
    library = ctypes.CDLL(str(target))

    def call(name: str, values: NDArray[Any], result: Any) -> NDArray[Any]:
        found = np.empty(len(values), result)
        getattr(library, name)(
            values.ctypes.data_as(ctypes.c_void_p), found.ctypes.data_as(ctypes.c_void_p), len(found)
        )
        return found

    numbers_of_the_format = patterns(precision, 0)
    widened = call("widen", numbers_of_the_format.view(np.uint16), np.float32)
    np.testing.assert_array_equal(widened, numbers_of_the_format.astype(np.float32))
    wide = np.random.default_rng(1).integers(0, 2**32, 2**20, dtype=np.uint32).view(np.float32)
    ordered = np.sort(widened[np.isfinite(widened)])
    edges = np.array([65519.9, 65520.0, 1e-8, 2.0**-25, np.nan], np.float32)
    with np.errstate(all="ignore"):
        ties = (ordered[:-1] + ordered[1:]) / np.float32(2)
        for values in (wide, widened, ties, edges):
            expected = values.astype(storage.format)
            ours = call("narrow", np.ascontiguousarray(values), np.uint16).view(storage.format)
            np.testing.assert_array_equal(ours.astype(np.float32), expected.astype(np.float32))


@needs_compiler
@pytest.mark.parametrize("method", KERNEL_METHODS)
def test_the_order_of_threads_and_blocks_changes_no_bit(method: str) -> None:
    case = make_case("gelu", widths=(9, 13, 13, 13, 13, 5), batch=3, skip=1, loss="cross-entropy", decays=True)
    task = make_task(case, KERNEL_METHODS[method](case.energy), steps=1 if method == "backprop" else 4, record=RECORD)
    (forwards, rows), (backwards, same) = (
        settle_on(CpuCupyBackend(reversed_order=order), task) for order in (False, True)
    )
    np.testing.assert_array_equal(present(rows.energy_per_sample), present(same.energy_per_sample))
    np.testing.assert_array_equal(present(rows.grad_norm), present(same.grad_norm))
    for a, b in zip((*forwards.states, *forwards.errors), (*backwards.states, *backwards.errors), strict=True):
        np.testing.assert_array_equal(a, b)


@needs_compiler
@pytest.mark.parametrize("threads", [1, 32, 256])
def test_any_number_of_threads_gives_the_same_within_rounding(threads: int) -> None:
    case = make_case("tanh", widths=(9, 70, 70, 3), batch=2, loss="cross-entropy")
    task = make_task(case, steps=3, record=RECORD)
    (_, rows), (_, reference) = settle_on(CpuCupyBackend(threads=threads), task), settle_on(CpuCupyBackend(), task)
    np.testing.assert_allclose(present(rows.energy), present(reference.energy), rtol=1e-13)


@pytest.mark.exhaustive
@needs_compiler
def test_no_kernel_leaves_its_arrays() -> None:
    found = subprocess.run([str(GXX), "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    sanitizer = Path(found.stdout.strip())
    if not sanitizer.is_absolute():
        pytest.skip("g++ has no AddressSanitizer here")
    environment = os.environ | {
        "LD_PRELOAD": str(sanitizer),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PCSIM_SHIM_FLAGS": "-fsanitize=address -g",
    }
    command = [sys.executable, "-m", "tests.shim.sanitized"]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.stdout == "every method ran\n", run.stderr
    # The harness sees what it is there to see.
    assert "ERROR: AddressSanitizer: heap-buffer-overflow" in run.stderr
    assert " in look" in run.stderr
