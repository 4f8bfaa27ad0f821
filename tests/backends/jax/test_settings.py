"""JAX as others set it: runs compute as ever."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pcsim
from pcsim.scenario import parse_scenario
from tests.support.places import ROOT

FOREIGN = {
    "JAX_CHECK_TRACER_LEAKS": "1",
    "JAX_DEBUG_INFS": "1",
    "JAX_DEBUG_NANS": "1",
    "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
    "JAX_DEFAULT_PRNG_IMPL": "rbg",
    "JAX_DISABLE_JIT": "1",
    "JAX_ENABLE_X64": "1",
    "JAX_NO_TRACING": "1",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "JAX_RANDOM_SEED_OFFSET": "5",
    "JAX_THREEFRY_PARTITIONABLE": "0",
    "JAX_TRANSFER_GUARD": "disallow",
}
TEXT = """
seed = 2
[network]
widths = [64, 6, 10]
activation = "gelu"
[data]
name = "digits"
batch = 8
[inference]
method = "state"
loss = "cross-entropy"
step_size = 0.1
[backend]
name = "jax"
"""
STEPS = "steps = 3\n"
NOISE = 'solver = "heun"\nt_end = 0.5\nnoise = 0.1\n'
RUNS = {
    "steps": TEXT.replace("step_size", STEPS + "step_size"),
    "noise": TEXT.replace("step_size", NOISE + "step_size"),
    "narrow": TEXT.replace("step_size", STEPS + "step_size") + 'precision = "bfloat16"\n',
    "training": TEXT.replace("step_size", STEPS + "step_size") + "[learning]\nlr = 0.01\nepochs = 1\nbatch = 479\n",
}


def digests() -> dict[str, str]:
    """Return what every run comes to."""
    return {
        name: hashlib.sha256(pcsim.run(parse_scenario(text)).energy.tobytes()).hexdigest()
        for name, text in RUNS.items()
    }


@pytest.mark.exhaustive
@pytest.mark.xla
def test_runs_have_the_same_bits_under_foreign_settings() -> None:
    child = [sys.executable, "-c", f"import json; from {__name__} import digests; print(json.dumps(digests()))"]
    ended = subprocess.run(child, cwd=ROOT, env=os.environ | FOREIGN, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == digests()


def test_a_platform_that_is_not_there_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pcsim", "run", "signal-decay", "--backend", "jax", "-o", str(tmp_path / "t.h5")]
    environment = os.environ | {"JAX_PLATFORMS": "nowhere", "PYTHONPATH": f"{ROOT}:{ROOT / 'backends'}"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert "'nowhere'" in line
    assert "JAX_PLATFORMS=cpu" in line
