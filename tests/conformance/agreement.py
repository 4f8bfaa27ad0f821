"""What agreement with numpy means for a compiled backend, and how it is checked."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcsim.engine.backend import Backend, Settled, Task
from pcsim.trace import Block
from tests.support.cases import Case, join, make_case, settle

NETWORKS: dict[str, dict[str, Any]] = {
    "weights-first": {},
    "mupc-skips": {"activation_first": True, "mupc": True, "skip": 2, "precisions": True, "decays": True},
}
# Of |a| + 10⁻³ max|a|; measured: 1e-13 and 4e-5.
TOLERANCE = {"float64": 1e-10, "float32": 4e-4}
RECORD = ("energy", "grad_norm", "energy_per_sample", "states", "errors", "weight_gradient")


def settle_on(backend: Backend, task: Task) -> tuple[Settled, Block]:
    blocks: list[Block] = []
    settled = backend.settle(task, blocks.append, lambda clock: False)
    return settled, join(blocks)


def present(array: NDArray[Any] | None) -> NDArray[Any]:
    assert array is not None
    return array


def assert_close(ours: NDArray[Any], theirs: NDArray[Any], tolerance: float, floor: float = 0.0) -> None:
    assert ours.shape == theirs.shape
    assert (np.abs(ours - theirs) <= tolerance * (np.abs(theirs) + 1e-3 * np.abs(theirs).max()) + floor).all()


def assert_parity(backend: Backend, task: Task) -> None:
    (ours, rows), (theirs, reference) = settle_on(backend, task), settle(task)
    tolerance = TOLERANCE[task.precision]
    # The standard form's errors are good to some units in the last place of the states.
    ulps = (
        16.0 * float(np.finfo(task.precision).eps) * max((float(np.abs(s).max()) for s in theirs.states), default=0.0)
    )
    np.testing.assert_array_equal(ours.arrival_steps, theirs.arrival_steps)
    np.testing.assert_array_equal(rows.clock, reference.clock)
    assert rows.clock.dtype == np.int64
    assert ours.steps_taken == theirs.steps_taken
    for name in ("energy", "grad_norm", "energy_per_sample"):
        assert_close(getattr(rows, name), getattr(reference, name), tolerance, ulps)
    for name in ("states", "errors"):
        for a, b in zip(getattr(rows, name), getattr(reference, name), strict=True):
            assert a.dtype == b.dtype
            assert_close(a, b, tolerance, ulps)
    for name in ("states", "errors"):
        for a, b in zip(getattr(ours, name), getattr(theirs, name), strict=True):
            assert a.dtype == b.dtype
            assert_close(a, b, tolerance, ulps)
    assert ours.gradient is not None
    assert theirs.gradient is not None
    for a, b in zip(ours.gradient, theirs.gradient, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            assert_close(a[key], b[key], tolerance, ulps)


def small(activation: str = "gelu", **options: Any) -> Case:
    return make_case(activation, widths=(4, 5, 5, 5, 5, 3), batch=3, **options)
