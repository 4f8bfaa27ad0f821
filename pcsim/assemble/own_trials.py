"""One try of what is a user's own before a run: what it gives, and in which shapes."""

import re
import sys
import traceback
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from pcsim.engine.host import host_namespace
from pcsim.errors import PcsimWarning, UsageError
from pcsim.model.activations import Activation
from pcsim.model.layers import Layer, Part, Pointwise, Shape
from pcsim.model.losses import Loss
from pcsim.model.network import Network
from pcsim.typing import NDArray

SAMPLES = 2
"""That a part is tried on."""
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
    if type(part).__module__.partition(".")[0].startswith("pcsim"):
        return
    _require_numbers(part.output_shape(shape))
    for name in part.parameters:
        _require_name(name)
    found, wanted = _products(part, shape)
    for what, own in found.items():
        if own != wanted[what]:
            raise ValueError(
                f"has the part {_called(part)}, whose {what} has shape {own} for {SAMPLES} samples of shape {shape}; "
                f"{wanted[what]} is needed"
            )


def _products(part: Part, shape: Shape) -> tuple[dict[str, Shape], dict[str, Shape]]:
    """Return the shapes of a part's products, and those that they need, by what they are."""
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
            raise ValueError(f"has the part {_called(part)}, which ends in {_told(error, part)}") from None
    _compare(part, v, pushed, pulled, s)
    learned = {name: each.shape for name, each in part.parameters.items() if each.trained}
    _require_names(part, gradient, learned)
    found = {"value": value, "pullback": pulled, "pushforward": pushed}
    found |= {f"gradient of '{name}'": gradient[name] for name in learned}
    wanted = {"value": (SAMPLES, *made), "pullback": (SAMPLES, *shape), "pushforward": (SAMPLES, *made)}
    wanted |= {f"gradient of '{name}'": own for name, own in learned.items()}
    return {what: tuple(np.shape(array)) for what, array in found.items()}, wanted


def _require_names(part: Part, gradient: Any, learned: Mapping[str, Shape]) -> None:
    names = set(gradient) if isinstance(gradient, Mapping) else set[str]()
    if lacking := [name for name in learned if name not in names]:
        raise ValueError(
            f"has the part {_called(part)}, whose gradient lacks {' and '.join(map(repr, lacking))}; write "
            "gradient(self, xp, parameters, saved, v), which returns one array for each parameter, by name"
        )
    if further := sorted(names - set(learned)):
        raise ValueError(f"has the part {_called(part)}, whose gradient has {further[0]!r}, which is none it learns")


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
            f"{_called(part)}: its pullback is not that of its value: v·(∂f/∂s s) is {ahead:.6g} by the value, "
            f"{back:.6g} by the pullback, at a random point; where that is meant, pay no heed",
            PcsimWarning,
            stacklevel=2,
        )


@lru_cache(maxsize=256)
def require_activation(what: str, activation: Activation) -> None:
    """Raise `UsageError` for an activation of a user's own that does not give an entry for every entry."""
    p = np.random.default_rng(0).uniform(0.25, 0.75, (SAMPLES, 3))
    try:
        with np.errstate(all="ignore"):
            value, saved = activation.forward(host_namespace(), p)
            pulled = activation.pullback(host_namespace(), saved, p)
    except Exception:  # it may be made for one width
        return
    _require_shapes(f"{what} ({_called(activation)})", [("value", value, p.shape), ("pullback", pulled, p.shape)])


@lru_cache(maxsize=256)
def require_loss(what: str, loss: Loss, units: int) -> None:
    """Raise `UsageError` for a loss of a user's own that does not give a number a sample and an error an output."""
    y = np.random.default_rng(0).uniform(0.25, 0.75, (SAMPLES, units))
    what = f"{what} ({_called(loss)})"
    with _told_of(what, loss):
        value, error = loss.value(host_namespace(), 0.5 * y, y), loss.error(host_namespace(), 0.5 * y, y)
    _require_shapes(what, [("value", value, (SAMPLES,)), ("error", error, y.shape)])


@lru_cache(maxsize=256)
def require_stepper(what: str, stepper: Any) -> None:
    """Raise `UsageError` for a stepper of a user's own that does not return an increment and what it remembers."""
    g, what = np.random.default_rng(0).uniform(0.25, 0.75, (SAMPLES, 3)), f"{what} ({_called(stepper)})"
    with _told_of(what, stepper):
        memory = stepper.begin(host_namespace(), g)
        found = stepper.increment(host_namespace(), g, memory, 1)
    _require_pair(what, "increment", found, g, memory)


@lru_cache(maxsize=256)
def require_optimizer(what: str, optimizer: Any) -> None:
    """Raise `UsageError` for an optimiser of a user's own that does not return a parameter and what it remembers."""
    what = f"{what} ({_called(optimizer)})"
    for shape in ((4, 3), (3,)):
        g = np.random.default_rng(0).uniform(0.25, 0.75, shape)
        with _told_of(what, optimizer):
            memory = optimizer.begin(host_namespace(), g)
            found = optimizer.update(host_namespace(), g, 0.5 * g, memory, 1e-3, 1)
        _require_pair(what, "update", found, g, memory)


def _require_pair(what: str, name: str, found: Any, like: Any, memory: Any) -> None:
    if not isinstance(found, tuple) or len(found) != 2:
        raise UsageError(
            f"{what}: its {name} returns {_in_words(found)}; it returns an array and what is remembered, two"
        )
    _require_shapes(what, [(name, found[0], like.shape)])
    if _shapes(found[1]) != _shapes(memory):
        raise UsageError(
            f"{what}: what its {name} remembers has shapes {_shapes(found[1])}, and began with {_shapes(memory)}; "
            "they stay as they are"
        )


def _require_shapes(what: str, found: list[tuple[str, Any, Shape]]) -> None:
    for name, array, shape in found:
        if array is None or np.shape(array) != shape:
            raise UsageError(f"{what}: its {name} is {_in_words(array)}; an array of shape {shape} is needed here")


def _shapes(memory: Any) -> Any:
    return tuple(map(_shapes, memory)) if isinstance(memory, tuple) else np.shape(memory)


def _in_words(found: Any) -> str:
    return f"an array of shape {np.shape(found)}" if hasattr(found, "shape") else f"{type(found).__name__}"


@contextmanager
def _told_of(what: str, thing: Any) -> Generator[None]:
    """Turn whatever a trial ends in into a line that begins with what was tried."""
    try:
        with np.errstate(all="ignore"):
            yield
    except Exception as error:
        raise UsageError(f"{what} ends in {_told(error, thing)}") from error


def _called(thing: Any) -> str:
    return type(thing).__name__


def _told(error: Exception, thing: Any) -> str:
    """Return an error of a user's thing in a line, with the place in its file where it came from."""
    file = getattr(sys.modules.get(type(thing).__module__), "__file__", None)
    lines = [each.lineno for each in traceback.extract_tb(error.__traceback__) if each.filename == file]
    where = f" (line {lines[-1]} of {file})" if lines else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"
