"""One try of an inference method of a user's own before a run: two of its steps, on two samples."""

from typing import Any

import numpy as np

from pcsim.assemble.own_trials import SAMPLES, called, require_shapes, shapes_in, ships, told_of
from pcsim.engine.host import host_namespace
from pcsim.errors import UsageError
from pcsim.inference import Inference
from pcsim.inference.steppers import GradientDescent
from pcsim.model.energy import Evaluation
from pcsim.model.layers import Shape

PARAMETER = 0.01
"""Every parameter's entries: sums over any width stay small."""
STEP_SIZE = 0.01


def require_inference(method: Inference) -> None:
    """Raise `UsageError` for a method of a user's own that does not evaluate and step as a loop needs it.

    Those that ship are not tried, and none on a free input, which is no input of the loop's.
    """
    network = method.energy.network
    if ships(method) or network.has_free_input:
        return
    what = f"method '{method.name}' ({called(method)})"
    xp, rng, stepper = host_namespace(), np.random.default_rng(0), GradientDescent(STEP_SIZE)
    parameters = tuple(
        {name: np.full(each.shape, PARAMETER) for name, each in own.items()} for own in network.parameters
    )
    x, y = (rng.uniform(0.25, 0.75, (SAMPLES, *shape)) for shape in (network.input_shape, network.layer_shapes[-1]))
    with told_of(what, method):
        clamped = method.clamp(xp, parameters, x, y)
        carry = method.begin(xp, clamped, None, stepper)
    for step in (1, 2):
        with told_of(what, method):
            point: Any = method.evaluate(xp, clamped, carry)
        _require_evaluation(what, point, network.layer_shapes)
        with told_of(what, method):
            after = method.advance(xp, clamped, point, carry, stepper, step)
        _require_alike(what, shapes_in(carry), shapes_in(after))
        carry = after


def _require_evaluation(what: str, point: Any, shapes: tuple[Shape, ...]) -> None:
    if not isinstance(point, Evaluation):
        raise UsageError(f"{what}: its evaluate returns {called(point)}; an Evaluation is needed")
    wanted = [(SAMPLES, *shape) for shape in shapes]
    found = [("output", point.output, wanted[-1])]
    for name, own in (("states", wanted[:-1]), ("errors", wanted)):
        arrays: Any = getattr(point, name)
        if not isinstance(arrays, tuple) or len(arrays) != len(own):
            has = f"{len(arrays)} {name}" if isinstance(arrays, tuple) else f"{called(arrays)} as {name}"
            raise UsageError(f"{what}: its evaluate returns {has}; a tuple of {len(own)} is needed")
        found += [(f"{name}[{i}]", array, shape) for i, (array, shape) in enumerate(zip(arrays, own, strict=True))]
    require_shapes(what, found)


def _require_alike(what: str, before: tuple[Shape, ...], after: tuple[Shape, ...]) -> None:
    if len(before) != len(after):
        raise UsageError(
            f"{what}: its advance returns {len(after)} arrays where it was given {len(before)}; return one for each"
        )
    if (turned := next(((a, b) for a, b in zip(before, after, strict=True) if a != b), None)) is not None:
        raise UsageError(
            f"{what}: its advance turns an array of shape {turned[0]} into one of {turned[1]}; keep its shape"
        )
