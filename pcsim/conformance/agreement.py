"""What agreement with numpy means, and how it is checked: who fails is told where, and by how much."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np

from pcsim.conformance.cases import settle_on
from pcsim.conformance.subject import Subject
from pcsim.engine.backend import Backend, Settled, Task
from pcsim.model.arithmetic import FORMATS, NARROW
from pcsim.trace.layout import Block
from pcsim.typing import NDArray

RECORD = ("energy", "grad_norm", "energy_per_sample", "states", "errors", "weight_gradient")
TOLERANCE = {"exact": 1e-10, "float64": 1e-10, "float32": 4e-4}
"""Of |a| + 10⁻³ max|a|; measured for compiled backends: 1e-13 and 4e-5."""


def assert_close(what: str, ours: NDArray[Any], theirs: NDArray[Any], tolerance: float, floor: float = 0.0) -> None:
    """Assert that arrays differ by no more than tolerance · (|a| + 10⁻³ max|a|) + floor."""
    assert ours.shape == theirs.shape, f"{what} have the shape {ours.shape}; numpy's have {theirs.shape}"
    wide, other = ours.astype(np.float64), theirs.astype(np.float64)
    allowed = tolerance * (np.abs(other) + 1e-3 * np.abs(other).max(initial=0.0)) + floor
    within = np.abs(wide - other) <= allowed
    if not within.all():
        at = tuple(int(i[0]) for i in np.nonzero(~within))
        raise AssertionError(
            f"{what}{list(at)} = {wide[at]:.17g}; numpy has {other[at]:.17g}, and {allowed[at]:.1e} is allowed"
        )


def assert_agreement(subject: Subject, task: Task, numpy: Backend) -> None:
    """Assert that a backend does what numpy's does, or refuses it in the words of a limit."""
    task = subject.accepted(task)
    if task.precision in NARROW:
        _assert_as_near(subject, task, numpy)
        return
    (ours, rows), (theirs, others) = settle_on(subject.backend, task), settle_on(numpy, on_numpy(task))
    # The standard form's errors are good to some units in the last place of the states.
    largest = max((float(np.abs(s).max()) for s in theirs.states), default=0.0)
    floor = 16.0 * FORMATS["float64" if task.precision == "exact" else task.precision].unit * largest
    tolerance = TOLERANCE[task.precision]
    assert_same_steps(ours, rows, theirs, others)
    if task.precision != "exact":
        # Where no signal has come, errors are 0 to the bit.
        np.testing.assert_array_equal(present(rows.energy) == 0.0, present(others.energy) == 0.0, "energies that are 0")
    if subject.able.bounds:
        bounds, room = present(rows.energy_bound), 4.0 * np.spacing(present(rows.energy))
        assert (bounds <= room).all(), "bounds of energies are wider than 4 units in the last place"
    for what, mine, other in _pairs(ours, rows, theirs, others):
        assert mine.dtype == other.dtype, f"{what} are {mine.dtype}; numpy's are {other.dtype}"
        assert_close(what, mine, other, tolerance, floor)


def assert_same_steps(ours: Settled, rows: Block, theirs: Settled, others: Block) -> None:
    """Assert that runs took the same steps, recorded the same, ended alike and saw signals arrive at the same steps."""
    np.testing.assert_array_equal(rows.clock, others.clock, "recorded steps")
    assert rows.clock.dtype == np.int64, f"recorded steps are {rows.clock.dtype}, not int64"
    for what in ("steps_taken", "converged", "failure"):
        mine, other = getattr(ours, what), getattr(theirs, what)
        assert mine == other, f"{what} is {mine!r}; numpy has {other!r}"
    np.testing.assert_array_equal(ours.arrival_steps, theirs.arrival_steps, "arrival steps")


def on_numpy(task: Task) -> Task:
    """Return the task as numpy can run it: what is exact elsewhere is in float64 there."""
    return replace(task, precision="float64") if task.precision == "exact" else task


def present(array: NDArray[Any] | None) -> NDArray[Any]:
    """Return an array that was asked for."""
    assert array is not None, "what was to be recorded is missing"
    return array


def _pairs(
    ours: Settled, rows: Block, theirs: Settled, others: Block
) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    """Yield what there is in both, with a name."""
    for what in ("energy", "grad_norm", "energy_per_sample"):
        mine, other = getattr(rows, what), getattr(others, what)
        assert (mine is None) == (other is None), f"{what} is recorded on one of the two alone"
        if other is not None:
            yield f"recorded {what}[row, layer, …]: ", mine, other
    for what in ("states", "errors"):
        for where, mine, other in (("recorded", rows, others), ("final", ours, theirs)):
            pairs = zip(getattr(mine, what) or (), getattr(other, what) or (), strict=True)
            for layer, (a, b) in enumerate(pairs):
                yield f"{where} {what} of layer {layer}: ", a, b
    for where, mine, other in (("recorded", rows.input, others.input), ("final", ours.input, theirs.input)):
        assert (mine is None) == (other is None), f"the {where} input is there on one of the two alone"
        if other is not None:
            yield f"{where} input: ", present(mine), other
    yield "output: ", ours.output, theirs.output
    for layer, (mine, other) in enumerate(zip(ours.gradient or (), theirs.gradient or (), strict=True)):
        assert mine.keys() == other.keys(), f"layer {layer} has gradients of {[*mine]}; numpy's has {[*other]}"
        for key in other:
            yield f"gradient of {key} in layer {layer}: ", mine[key], other[key]


def _assert_as_near(subject: Subject, task: Task, numpy: Backend) -> None:
    """Assert that a narrow run is about as near to float64 as numpy's: rounding goes another way here and there."""
    (ours, rows), (theirs, others) = settle_on(subject.backend, task), settle_on(numpy, task)
    exact, wide = settle_on(numpy, replace(task, precision="float64", arithmetic=type(task.arithmetic)()))
    np.testing.assert_array_equal(rows.clock, others.clock, "recorded steps")
    unit = FORMATS[task.precision].unit
    law = np.dtype(ml_dtypes.bfloat16 if task.precision == "bfloat16" else np.float16)
    for what in ("states", "errors"):
        for layer, (a, b, c) in enumerate(zip(*(getattr(run, what) for run in (ours, theirs, exact)), strict=True)):
            assert (a.astype(law).astype(a.dtype) == a).all(), f"{what} of layer {layer} are no {task.precision}"
            off, allowed = np.abs(a - c).max(), np.abs(b - c).max()
            allowed = 2.0 * allowed + 4.0 * unit * max(float(np.abs(c).max()), 1.0)
            assert off <= allowed, f"{what} of layer {layer} are {off:.1e} from float64; {allowed:.1e} is allowed"
    off, allowed = (np.abs(present(r.energy) - present(wide.energy)).max() for r in (rows, others))
    allowed = 2.0 * allowed + unit * present(wide.energy).max()
    assert off <= allowed, f"energies are {off:.1e} from those in float64; {allowed:.1e} is allowed"
