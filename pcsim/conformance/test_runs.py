"""Whole runs: what is recorded, where they stop, how they end, and that samples are each on their own."""

from dataclasses import replace

import numpy as np
import pytest

from pcsim.conformance.agreement import assert_close, assert_same_steps, on_numpy, present
from pcsim.conformance.cases import METHODS, join, make_case, make_task, reference, settle_on
from pcsim.conformance.subject import Subject
from pcsim.engine.backend import Settled, Task
from pcsim.inference import Equilibrium
from pcsim.inference.steppers import GradientDescent
from pcsim.inference.stopping import StopRule
from pcsim.trace.layout import Block

MORE_ROWS = 1100
"""More than what compiled backends hold at once."""


def usual(subject: Subject, form: str, **options: object) -> Task:
    """Return a task that differs from its like in nothing that a backend might compile, and in its options."""
    case = make_case("tanh", widths=(4, 5, 5, 3), batch=3)
    return make_task(case, METHODS[form](case.energy), precision=subject.precision, **{"steps": 29, **options})  # pyright: ignore[reportArgumentType]


def both(subject: Subject, task: Task) -> tuple[Settled, Block, Settled, Block]:
    """Return how a task goes on the backend and on numpy."""
    return *settle_on(subject.backend, task), *settle_on(reference(), on_numpy(task))


def assert_energies(subject: Subject, task: Task) -> None:
    """Assert that steps, ends and the recorded energies are numpy's."""
    ours, rows, theirs, others = both(subject, task)
    assert_same_steps(ours, rows, theirs, others)
    assert_close(
        "energies", present(rows.energy), present(others.energy), 1e-9 if subject.precision != "float32" else 1e-3
    )


def test_only_steps_that_are_asked_for_are_recorded(subject: Subject, form: str) -> None:
    for recorded in (range(0, 30, 7), (0, 1, 2, 5, 11, 29), range(0, 30, 100)):
        assert_energies(subject, usual(subject, form, recorded=recorded))


def test_there_may_be_more_rows_than_are_held_at_once(subject: Subject, form: str) -> None:
    if subject.precision == "exact":
        pytest.skip("long runs are beyond exact arithmetic")
    assert_energies(subject, usual(subject, form, steps=MORE_ROWS))


def test_runs_repeat_to_the_bit(subject: Subject, form: str) -> None:
    task = usual(subject, form)
    (once, rows), (again, same) = settle_on(subject.backend, task), settle_on(subject.backend, task)
    assert present(rows.energy).tobytes() == present(same.energy).tobytes()
    for a, b in zip((*once.states, *once.errors), (*again.states, *again.errors), strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("after", [-1, 0])
def test_an_interruption_ends_a_run_with_what_was_recorded(subject: Subject, form: str, after: int) -> None:
    # More steps than 32 bits hold; exact arithmetic is asked for as many bits as steps.
    steps = 1000 if subject.precision == "exact" else 3_000_000_000
    task = usual(subject, form, steps=steps, recorded=range(0, steps + 1, 1000))
    blocks: list[Block] = []
    settled = subject.backend.settle(task, blocks.append, lambda clock: clock > after)
    assert settled.interrupted
    assert not settled.converged
    assert after < settled.steps_taken < task.descent.steps
    assert join(blocks).clock[-1] == settled.steps_taken


def test_a_stop_rule_ends_a_run_where_numpy_ends(subject: Subject, rule: StopRule) -> None:
    task = usual(subject, subject.forms[0], stepper=GradientDescent(0.3), steps=900, recorded=range(0, 901, 50))
    task = replace(task, stop=rule)
    assert_energies(subject, task)
    assert 0 < settle_on(reference(), on_numpy(task))[0].steps_taken < 900


def test_divergence_is_found_at_its_step(subject: Subject, form: str) -> None:
    case = make_case("linear", widths=(4, 5, 5, 3), batch=3, gain=2.0)
    task = make_task(case, METHODS[form](case.energy), stepper=GradientDescent(1e6), steps=300, record=("energy",))
    task = replace(task, precision=subject.precision)
    ours, rows, theirs, others = both(subject, task)
    assert "diverged" in str(theirs.failure) or "not finite" in str(theirs.failure)
    assert ours.failure is not None, f"numpy says: {theirs.failure}"
    assert rows.clock[-1] == ours.steps_taken
    if subject.precision != "exact":
        assert_same_steps(ours, rows, theirs, others)


def test_samples_do_not_know_their_batch(subject: Subject, form: str) -> None:
    task = usual(subject, form)
    part = replace(task, x=task.x[1:], y=task.y[1:])
    (whole, _), (alone, _) = settle_on(subject.backend, task), settle_on(subject.backend, part)
    unit = 1e-12 if subject.precision != "float32" else 1e-5
    for a, b in zip(whole.states, alone.states, strict=True):
        np.testing.assert_allclose(a[1:], b, rtol=unit, atol=unit)


def test_searches_end_at_numpys_equilibria(subject: Subject) -> None:
    if "equilibrium" not in subject.able.methods:
        pytest.skip(f"'{subject.name}' does not claim the method equilibrium")
    case = make_case("gelu", widths=(4, 5, 5, 3), loss="cross-entropy", precisions=True, decays=True)
    task = make_task(case, Equilibrium(case.energy, 1e-9, 300), steps=300)
    ours, rows, theirs, others = both(subject, replace(task, precision="float64"))
    assert ours.converged
    assert ours.equilibria is not None
    assert ours.equilibria.residual.max() <= 1e-9
    np.testing.assert_allclose(ours.equilibria.evaluations, theirs.equilibria.evaluations, rtol=0.2)  # pyright: ignore[reportOptionalMemberAccess]
    assert_close("energies", present(rows.energy)[-1:], present(others.energy)[-1:], 1e-8)
    for a, b in zip(ours.states, theirs.states, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)
