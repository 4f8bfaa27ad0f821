"""One try of an inference method of a user's own before a run: two of its steps, on two samples."""

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from pcsim.assemble.own_trials import SAMPLES, require_shapes, told_of
from pcsim.engine.host import host_namespace
from pcsim.errors import UsageError
from pcsim.inference import Inference
from pcsim.inference.steppers import GradientDescent
from pcsim.model.energy import Evaluation
from pcsim.model.layers import Shape

SMALL = 0.01
"""Every parameter's entries in a trial, and its step size."""


def require_inference(method: Inference) -> None:
    """Raise `UsageError` for a method of a user's own that does not evaluate and step as a loop needs it.

    Those that ship are not tried, and none on a free input, which is no input of the loop's.
    """
    network = method.energy.network
    if type(method).__module__.partition(".")[0] == "pcsim" or network.has_free_input:
        return
    what = f"method '{method.name}' ({type(method).__name__})"
    xp, rng, stepper = host_namespace(), np.random.default_rng(0), GradientDescent(SMALL)
    parameters = tuple({name: np.full(each.shape, SMALL) for name, each in own.items()} for own in network.parameters)
    x, y = (rng.uniform(0.25, 0.75, (SAMPLES, *shape)) for shape in (network.input_shape, network.layer_shapes[-1]))
    with told_of(what, method):
        clamped = method.clamp(xp, parameters, x, y)
        carry = method.begin(xp, clamped, None, stepper)
    for step in (1, 2):
        with told_of(what, method):
            point: Any = method.evaluate(xp, clamped, carry)
        if not isinstance(point, Evaluation):
            raise UsageError(f"{what}: its evaluate returns {type(point).__name__}; an Evaluation is needed")
        require_shapes(what, list(_arrays(what, point, network.layer_shapes)))
        with told_of(what, method):
            after = method.advance(xp, clamped, point, carry, stepper, step)
        _require_alike(what, list(_leaves(carry)), list(_leaves(after)))
        carry = after


def _arrays(what: str, point: Evaluation, shapes: tuple[Shape, ...]) -> Iterator[tuple[str, Any, Shape]]:
    """Yield what is shown of a point: what each array is, the array, and the shape that is needed."""
    wanted = [(SAMPLES, *shape) for shape in shapes]
    for name, arrays, own in (("states", point.states, wanted[:-1]), ("errors", point.errors, wanted)):
        if len(arrays) != len(own):
            raise UsageError(f"{what}: its evaluate gives {len(arrays)} {name}; {len(own)} are needed")
        yield from ((f"{name}[{i}]", array, shape) for i, (array, shape) in enumerate(zip(arrays, own, strict=True)))
    yield "output", point.output, wanted[-1]


def _require_alike(what: str, before: list[Shape], after: list[Shape]) -> None:
    if len(before) != len(after):
        raise UsageError(f"{what}: its advance returns {len(after)} arrays, and was given {len(before)}; as many stay")
    if (turned := next(((a, b) for a, b in zip(after, before, strict=True) if a != b), None)) is not None:
        raise UsageError(f"{what}: its advance makes an array of shape {turned[0]} of one of {turned[1]}; shapes stay")


def _leaves(carry: Any) -> Iterator[Shape]:
    """Yield the shapes of the arrays in nested tuples."""
    if isinstance(carry, tuple):
        for each in cast("tuple[Any, ...]", carry):
            yield from _leaves(each)
    else:
        yield np.shape(carry)
