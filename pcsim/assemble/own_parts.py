"""One try of every layer part of a user's own before a run, and a look at a whole network that was built in Python."""

import re
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from pcsim.assemble.own_trials import SAMPLES, called, ships, told
from pcsim.engine.host import host_namespace
from pcsim.errors import PcsimWarning
from pcsim.model.activations import Activation
from pcsim.model.layers import Layer, Part, Pointwise, Shape
from pcsim.model.network import Network
from pcsim.typing import NDArray

NAME = re.compile(r"[A-Za-z](\w*[A-Za-z_])?")
"""Of a parameter: files number them by layer."""
ALIKE = 1e-4
"""Relative difference of products with a Jacobian and its transpose; by differences they are right to 1e-8."""


def require_parts(network: Network) -> None:
    """Raise `ValueError`, naming the layer, for a part of a user's own that does not do what the others ask of it.

    Raises it for shapes that do not fit, too.
    """
    for i, layer in enumerate(network.layers):
        _require_kinds(i, layer)
    shapes = {-1: network.input_shape} | dict(enumerate(network.layer_shapes))
    for i, layer in enumerate(network.layers):
        sums: Shape = ()
        try:
            _require_numbers(shapes[i])
            for name in layer.parameters:
                _require_name(name)
            for branch in layer.branches:
                sums = _tried(branch.chain.parts, shapes[branch.source])
            _tried(layer.then.parts, sums)
        except ValueError as error:
            raise ValueError(f"layer {i} {error}") from None


def _tried(parts: tuple[Part, ...], shape: Shape) -> Shape:
    for part in parts:
        require_part(part, shape)
        shape = part.output_shape(shape)
    return shape


@lru_cache(maxsize=256)
def require_part(part: Part, shape: Shape) -> None:
    """Raise `ValueError` unless a part gives what it says, for samples of a shape; those that ship do."""
    if ships(part):
        return
    _require_numbers(part.output_shape(shape))
    for name in part.parameters:
        _require_name(name)
    for what, array, wanted in _products(part, shape):
        if np.shape(array) != wanted:
            raise ValueError(
                f"has the part {called(part)}, whose {what} has shape {np.shape(array)} for {SAMPLES} samples of shape "
                f"{shape}; {wanted} is needed"
            )


def _products(part: Part, shape: Shape) -> list[tuple[str, Any, Shape]]:
    """Return a part's products: what each is, its array, and the shape that is needed."""
    xp, rng = host_namespace(), np.random.default_rng(0)
    made = part.output_shape(shape)

    def drawn(*size: int) -> NDArray[np.float64]:
        return rng.uniform(0.25, 0.75, size)

    parameters = {name: drawn(*each.shape) for name, each in part.parameters.items()}
    s, v = drawn(SAMPLES, *shape), drawn(SAMPLES, *made)
    with np.errstate(all="ignore"):
        try:
            value, saved = part.forward(xp, parameters, s)
            pulled = part.pullback(xp, parameters, saved, v)
            pushed = part.pushforward(xp, parameters, saved, s)
            gradient = part.gradient(xp, parameters, saved, v)
        except Exception as error:
            raise ValueError(f"has the part {called(part)}, which ends in {told(error, part)}") from None
    _compare(part, v, pushed, pulled, s)
    learned = {name: each.shape for name, each in part.parameters.items() if each.trained}
    _require_names(part, gradient, learned)
    found = [("value", value, (SAMPLES, *made)), ("pullback", pulled, (SAMPLES, *shape))]
    found += [("pushforward", pushed, (SAMPLES, *made))]
    return found + [(f"gradient of '{name}'", gradient[name], own) for name, own in learned.items()]


def _require_names(part: Part, gradient: Any, learned: Mapping[str, Shape]) -> None:
    names = set(gradient) if isinstance(gradient, Mapping) else set[str]()
    if lacking := [name for name in learned if name not in names]:
        raise ValueError(
            f"has the part {called(part)}, whose gradient lacks {' and '.join(map(repr, lacking))}; write "
            "gradient(self, xp, parameters, saved, v), which returns one array for each parameter, by name"
        )
    if further := sorted(names - set(learned)):
        raise ValueError(f"has the part {called(part)}, whose gradient has {further[0]!r}, which is none it learns")


def _require_kinds(i: int, layer: Any) -> None:
    """Raise `ValueError` for what stands in a network, and is none of its kind."""
    if not isinstance(layer, Layer):
        raise ValueError(f"layer {i} is {layer!r}, and no Layer: Layer((Branch(−1, Chain((…,))),))")
    parts: tuple[Any, ...] = layer.parts
    for part in parts:
        if not isinstance(part, Part):
            raise ValueError(f"layer {i} has {part!r}, which is no part; an activation goes into Pointwise(…)")
        given: Any = part.activation if isinstance(part, Pointwise) else None
        if given is not None and (isinstance(given, type) or not isinstance(given, Activation)):
            raise ValueError(f"layer {i} has Pointwise({given!r}); give it an activation, as in Tanh()")


def _require_numbers(shape: Shape) -> None:
    numbers: tuple[Any, ...] = shape
    if not all(isinstance(number, int) and number > 0 for number in numbers):
        raise ValueError(f"makes samples of shape {shape}; give whole numbers, 1 or more")


def _require_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise ValueError(
            f"has a parameter '{name}'; names have letters, digits and _, and end in a letter, since files number them"
        )


def _compare(part: Part, v: Any, pushed: Any, pulled: Any, s: Any) -> None:
    """Warn of a pullback that is not the transpose of the derivative of the value."""
    if np.shape(v) != np.shape(pushed) or np.shape(s) != np.shape(pulled):
        return
    ahead, back = float(np.sum(v * np.asarray(pushed))), float(np.sum(np.asarray(pulled) * s))
    if np.isfinite(ahead + back) and abs(ahead - back) > ALIKE * (abs(ahead) + abs(back)):
        warnings.warn(
            f"{called(part)}: its pullback is not that of its value: v·(∂f/∂s s) is {ahead:.6g} by the value, "
            f"{back:.6g} by the pullback, at a random point; where that is meant, pay no heed",
            PcsimWarning,
            stacklevel=2,
        )
