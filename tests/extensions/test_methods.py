"""An inference method of one's own that does not do what a loop asks of it: one line before a run."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import pcsim
from pcsim.errors import UsageError


def refused(kind: Any) -> str:
    """Return the line of a run by a method, which begins with its key."""
    kind.name = name = kind.__name__.lower()
    pcsim.register("inference", name, kind)
    with pytest.raises(UsageError) as caught:
        pcsim.run("signal-decay", [f"inference.method={name}", "inference.steps=2"], backend="numpy")
    return str(caught.value)


def test_a_step_that_loses_a_layer() -> None:
    class Loses(pcsim.bases.StateOptimization):
        def advance(self, xp: Any, clamped: Any, point: Any, carry: Any, stepper: Any, step: Any) -> Any:
            moved = super().advance(xp, clamped, point, carry, stepper, step)
            return moved._replace(variables=moved.variables[:-1])

    assert refused(Loses).endswith("(Loses): its advance returns 18 arrays where it was given 19; return one for each")


def test_a_step_that_changes_a_shape() -> None:
    class Halves(pcsim.bases.StateOptimization):
        def advance(self, xp: Any, clamped: Any, point: Any, carry: Any, stepper: Any, step: Any) -> Any:
            moved = super().advance(xp, clamped, point, carry, stepper, step)
            return moved._replace(variables=(*moved.variables[:-1], moved.variables[-1][:, :64]))

    assert refused(Halves).endswith("turns an array of shape (2, 128) into one of (2, 64); keep its shape")


def test_an_evaluation_that_is_none_of_its_kind() -> None:
    class Nothing(pcsim.bases.StateOptimization):
        def evaluate(self, xp: Any, clamped: Any, carry: Any) -> Any:
            return None

    assert refused(Nothing).endswith("(Nothing): its evaluate returns NoneType; an Evaluation is needed")


def test_states_of_another_shape_and_errors_that_lack_one() -> None:
    class Narrow(pcsim.bases.StateOptimization):
        def evaluate(self, xp: Any, clamped: Any, carry: Any) -> Any:
            point = super().evaluate(xp, clamped, carry)
            return replace(point, states=tuple(s[:1] for s in point.states))

    class Lacking(pcsim.bases.StateOptimization):
        def evaluate(self, xp: Any, clamped: Any, carry: Any) -> Any:
            point = super().evaluate(xp, clamped, carry)
            return replace(point, errors=point.errors[1:])

    assert "(Narrow): its states[0] is an array of shape (1, 128); an array of shape (2, 128)" in refused(Narrow)

    class Without(pcsim.bases.StateOptimization):
        def evaluate(self, xp: Any, clamped: Any, carry: Any) -> Any:
            return replace(super().evaluate(xp, clamped, carry), states=None)

    assert "(Lacking): its evaluate returns 19 errors; a tuple of 20 is needed" in refused(Lacking)
    assert "(Without): its evaluate returns NoneType as states; a tuple of 19 is needed" in refused(Without)


def test_a_fault_inside_is_told_with_its_line() -> None:
    class Faulty(pcsim.bases.StateOptimization):
        def advance(self, xp: Any, clamped: Any, point: Any, carry: Any, stepper: Any, step: Any) -> Any:
            return point.nothing

    line = refused(Faulty)
    assert line.startswith("--set inference.method=faulty: method 'faulty' (Faulty) ends in AttributeError: ")
    assert "test_methods.py)" in line


def test_what_is_carried_may_be_nested_as_one_likes() -> None:
    class Listed(pcsim.bases.StateOptimization):
        name = "listed"

        def begin(self, xp: Any, clamped: Any, initial: Any, stepper: Any) -> Any:
            return {"moving": [super().begin(xp, clamped, initial, stepper)]}

        def evaluate(self, xp: Any, clamped: Any, carry: Any) -> Any:
            return super().evaluate(xp, clamped, carry["moving"][0])

        def advance(self, xp: Any, clamped: Any, point: Any, carry: Any, stepper: Any, step: Any) -> Any:
            return {"moving": [super().advance(xp, clamped, point, carry["moving"][0], stepper, step)]}

    pcsim.register("inference", "listed", Listed)
    words = ["inference.method=listed", "inference.steps=2"]
    with pcsim.run("signal-decay", words, backend="numpy") as ours, pcsim.run("signal-decay", words[1:]) as theirs:
        np.testing.assert_array_equal(ours.energy, theirs.energy)
