"""An inference method of one's own that does not do what a loop asks of it: one line before a run."""

from dataclasses import replace
from typing import Any

import pytest

import pcsim
from pcsim.errors import UsageError


def refused(kind: Any) -> str:
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

    assert refused(Loses) == "method 'loses' (Loses): its advance returns 18 arrays, and was given 19; as many stay"


def test_a_step_that_changes_a_shape() -> None:
    class Halves(pcsim.bases.StateOptimization):
        def advance(self, xp: Any, clamped: Any, point: Any, carry: Any, stepper: Any, step: Any) -> Any:
            moved = super().advance(xp, clamped, point, carry, stepper, step)
            return moved._replace(variables=(*moved.variables[:-1], moved.variables[-1][:, :64]))

    assert "(Halves): its advance makes an array of shape (2, 64) of one of (2, 128); shapes stay" in refused(Halves)


def test_an_evaluation_that_is_none_of_its_kind() -> None:
    class Nothing(pcsim.bases.StateOptimization):
        def evaluate(self, xp: Any, clamped: Any, carry: Any) -> Any:
            return None

    assert refused(Nothing) == "method 'nothing' (Nothing): its evaluate returns NoneType; an Evaluation is needed"


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
    assert refused(Lacking) == "method 'lacking' (Lacking): its evaluate gives 19 errors; 20 are needed"


def test_a_fault_inside_is_told_with_its_line() -> None:
    class Faulty(pcsim.bases.StateOptimization):
        def advance(self, xp: Any, clamped: Any, point: Any, carry: Any, stepper: Any, step: Any) -> Any:
            return point.nothing

    line = refused(Faulty)
    assert line.startswith("method 'faulty' (Faulty) ends in AttributeError: 'Evaluation' object has no attribute")
    assert "test_methods.py)" in line
