"""The CuPy backend as tests have it: on the CPU through the shim anywhere, and on a GPU where one answers."""

import pytest
from pcsim_cupy import CupyBackend

from tests.shim.build import GXX, NO_COMPILER
from tests.shim.device import CpuCupyBackend

GPU = CupyBackend()
PROBLEM = GPU.capabilities().problem
needs_compiler = pytest.mark.skipif(GXX is None, reason=NO_COMPILER)
needs_gpu = (pytest.mark.gpu, pytest.mark.skipif(PROBLEM is not None, reason=f"no GPU for CuPy: {PROBLEM}"))
BACKENDS = [
    pytest.param(CpuCupyBackend(), id="shim", marks=needs_compiler),
    pytest.param(GPU, id="gpu", marks=needs_gpu),
]
