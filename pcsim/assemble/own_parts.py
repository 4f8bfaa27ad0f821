"""One try of every layer part of a user's own before a run: what it gives, and in which shapes."""

import sys
import traceback
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from pcsim.engine.host import host_namespace
from pcsim.model.layers import Part, Shape
from pcsim.model.network import Network
from pcsim.typing import NDArray

SAMPLES = 2
"""That a part is tried on."""


def require_parts(network: Network) -> None:
    """Raise `ValueError`, naming the layer, for a part of a user's own that does not do what the others ask of it.

    Raises it for shapes that do not fit, too.
    """
    shapes = {-1: network.input_shape} | dict(enumerate(network.layer_shapes))
    for i, layer in enumerate(network.layers):
        sums: Shape = ()
        try:
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


def _called(part: Part) -> str:
    return type(part).__name__


def _told(error: Exception, part: Part) -> str:
    """Return an error of a part in a line, with the place in the part's file where it came from."""
    file = getattr(sys.modules.get(type(part).__module__), "__file__", None)
    lines = [each.lineno for each in traceback.extract_tb(error.__traceback__) if each.filename == file]
    where = f" (line {lines[-1]} of {file})" if lines else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"
