"""Agreement with the numbers of other programs (README.md beside this file)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pcsim
from tests.support.covering import sampled

HERE = Path(__file__).parent
CASES = sorted(path.name for path in HERE.iterdir() if (path / "scenario.toml").exists())
# Standard-form float32 loses small errors, so its weight gradients are only good to per cents.
TOLERANCE = {"float64": (1e-9, 1e-9), "float32": (1e-4, 2e-2)}


def agree(ours: NDArray[Any], theirs: NDArray[Any], tolerance: float) -> None:
    assert ours.shape == theirs.shape
    bound = tolerance * (np.abs(theirs) + 1e-3 * np.abs(theirs).max())
    assert (np.abs(ours - theirs) <= bound).all()


USUAL = [*(f"{case}-numpy-float64" for case in CASES), "eo-gelu-ce-numpy-float32", "so-tanh-ce-jax-float64"]
WAYS = [("numpy", "float64"), ("numpy", "float32"), ("jax", "float64")]
RUNS = {f"{case}-{backend}-{precision}": (case, backend, precision) for case in CASES for backend, precision in WAYS}


@pytest.mark.parametrize("run", sampled(RUNS, USUAL))
def test_energies_states_and_gradients_agree(run: tuple[str, str, str]) -> None:
    case, backend, precision = run
    if case.startswith("flow") and precision != "float64":
        pytest.skip("the tolerance of 1e-12 is beyond float32")
    expected = np.load(HERE / case / "expected.npz")
    values, gradients = TOLERANCE[precision]
    with pcsim.run(pcsim.read_scenario(HERE / case / "scenario.toml"), backend=backend, precision=precision) as trace:
        agree(trace.energy, expected["energy"], values)
        for name in expected.files:
            if name.startswith("final_state_"):
                agree(trace.final_states[int(name.rsplit("_", 1)[1])], expected[name], values)
            elif name[:2] in ("dW", "db"):
                agree(trace.gradient[f"{name[1]}_{name[2:]}"], expected[name], gradients)
