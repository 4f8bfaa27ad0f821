"""Dense layers among the chains of parts: how one is built, and how one is recognised.

Hand-written kernels, the theory of deep linear networks and rounding bounds know these layers alone.
"""

from dataclasses import dataclass

from pcsim.model.activations import Activation, Linear
from pcsim.model.layers.affine import Scale
from pcsim.model.layers.chain import Chain
from pcsim.model.layers.dense import Dense
from pcsim.model.layers.layer import Branch, Layer
from pcsim.model.layers.part import Part
from pcsim.model.layers.pointwise import Pointwise
from pcsim.model.layers.start import Start

LINEAR = Linear()


@dataclass(frozen=True)
class DenseLayer:
    """ŝ = a φ(W s + b) + s_skip, or ŝ = a (W φ(s) + b) + s_skip with `activation_first` (model: section 1).

    `dense` is None for the start of a free input, which is the identity. The premultiplier a scales the bias too.
    """

    source: int
    dense: Dense | None
    activation: Activation = LINEAR
    activation_first: bool = False
    premultiplier: float = 1.0
    skip: int | None = None


def dense_layer(which: DenseLayer) -> Layer:
    """Return the layer as chains of parts."""
    parts: list[Part] = [] if which.dense is None else [which.dense]
    parts.insert(0 if which.activation_first else len(parts), Pointwise(which.activation))
    if which.dense is None:
        parts = [Start()]
    if which.premultiplier != 1.0:
        parts.append(Scale(which.premultiplier))
    branches = [Branch(which.source, Chain(tuple(parts)))]
    if which.skip is not None:
        branches.append(Branch(which.skip))
    return Layer(tuple(branches))


def read_as_dense(layer: Layer) -> DenseLayer | None:
    """Return a layer as a dense one, None for others."""
    if (
        layer.then.parts
        or len(layer.branches) not in (1, 2)
        or any(branch.chain.parts for branch in layer.branches[1:])
    ):
        return None
    first = layer.branches[0]
    skip = layer.branches[1].source if len(layer.branches) > 1 else None
    match first.chain.parts:
        case (Start(),):
            return DenseLayer(first.source, None, skip=skip)
        case (Dense() as dense, Pointwise(activation), *rest):
            activation_first = False
        case (Pointwise(activation), Dense() as dense, *rest):
            activation_first = True
        case _:
            return None
    match rest:
        case []:
            premultiplier = 1.0
        case [Scale(premultiplier)]:
            pass
        case _:
            return None
    return DenseLayer(first.source, dense, activation, activation_first, premultiplier, skip)
