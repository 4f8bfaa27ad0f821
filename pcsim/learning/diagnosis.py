"""Diagnosis of an update: each layer's weight gradient beside backpropagation's, and how far its weights move.

Of every layer it looks at its weights, those of a branch that is added included, those of a top-down prediction not:
backpropagation has none. A bias is left out: its gradient sums
the same errors over the batch without the states below them, and its norm, zero at first, gives no ratio.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any, NamedTuple

from jaxtyping import Shaped

from pcsim.inference import Backprop, Inference
from pcsim.learning.batch import Batch
from pcsim.learning.learner import AtTheEnd, Memory
from pcsim.learning.loop import python_loop
from pcsim.learning.scaling import largest_size, nonzero
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.network import Network
from pcsim.model.statistics import with_statistics


class Alignment(NamedTuple):
    """The gradient of the energy at the end of inference beside that of the loss by backpropagation.

    Same batch and weights; `cosine` between the two and `norm_ratio` ‖PC‖/‖BP‖, (layers,) each, in the wide type. A
    gradient of zeros has no cosine, and backpropagation's no ratio either: NaN.
    """

    cosine: Shaped[Array, " layers"]
    norm_ratio: Shaped[Array, " layers"]


class Diagnosis(NamedTuple):
    """What an update does to the weights of every layer.

    `update_ratio` is ‖ΔW‖/‖W‖ of the whole update, optimiser, schedule and clipping included, in the wide type, NaN for
    weights of zero, in bfloat16 of the rounded weights; `alignment` is None where there is none.
    """

    update_ratio: Shaped[Array, " layers"]
    alignment: Alignment | None


def is_aligned(inference: Inference) -> bool:
    """Tell whether there is a backpropagation to compare with: another one, from an input that is given."""
    return not inference.traits.backpropagates and not inference.energy.network.has_free_input


def diagnose(batch: Batch, parameters: tuple[Parameters, ...], memory: Memory, rate: Any, number: Any) -> Diagnosis:
    """Return what `Batch.learn` does with the same arguments; nothing is changed.

    Incremental learning has no one gradient a batch: compared is that at the end of inference with the weights fixed.
    """
    xp, learner = batch.xp, batch.learner
    if (seen := batch.statistics(parameters)) is not None:
        parameters = with_statistics(parameters, seen.held)
    batch = batch.at(parameters)
    clamped, point, *_ = batch.settle(parameters)
    if learner.updates_every_step:
        after = batch.learn_after_every_step(parameters, memory, rate, number).parameters
    else:
        after = batch.updated(clamped, point, memory, rate, number)[0]
    network = learner.inference.energy.network
    # A free input is no layer of the trace.
    rows = slice(int(network.has_free_input), None)
    names, nothing = weight_names(network)[rows], xp.zeros_like(batch.y)
    pairs = zip(parameters[rows], after[rows], strict=True)
    ratios = xp.stack([update_ratio(xp, *both) for both in chosen(names, pairs, nothing)]).reshape(-1)
    if not is_aligned(learner.inference):
        return Diagnosis(ratios, None)
    gradient = batch.gradient(clamped, point)
    reference = _backpropagated(batch, parameters)
    pairs = zip(gradient[rows], reference[rows], strict=True)
    return Diagnosis(ratios, _alignment(xp, chosen(names, pairs, nothing)))


def weight_names(network: Network) -> tuple[tuple[str, ...], ...]:
    """Return the names of every layer's weights: what initialisers draw, or the first array that is learned."""
    found: list[tuple[str, ...]] = []
    for layer, own in zip(network.layers, replace(network, amortiser=None).parameters, strict=True):
        learned = [name for name, each in own.items() if each.trained]
        drawn = [name for name in layer.parameters if own[name].start == "drawn" and own[name].trained]
        found.append(tuple(drawn or learned[:1]))
    return tuple(found)


def chosen(
    names: Sequence[Sequence[str]], pairs: Iterable[tuple[Parameters, Parameters]], nothing: Array
) -> list[tuple[list[Array], list[Array]]]:
    """Return the arrays of some names out of two sets of parameters by layer, zeros where there is no name."""
    return [
        ([ours[name] for name in own] or [nothing], [theirs[name] for name in own] or [nothing])
        for own, (ours, theirs) in zip(names, pairs, strict=True)
    ]


def _backpropagated(batch: Batch, parameters: tuple[Parameters, ...]) -> tuple[Parameters, ...]:
    """Return the gradient of the loss alone."""
    energy = batch.learner.inference.energy.bare
    learner = replace(batch.learner, inference=Backprop(energy), steps=1, rule=AtTheEnd(), stop=None)
    alone = replace(batch, learner=learner, loop=python_loop)
    clamped, point, *_ = alone.settle(parameters)
    return alone.gradient(clamped, point)


def _alignment(xp: Namespace, pairs: Sequence[tuple[list[Array], list[Array]]]) -> Alignment:
    cosines: list[Array] = []
    ratios: list[Array] = []
    for own, reference in pairs:
        a, b = _Direction.of(xp, own), _Direction.of(xp, reference)
        cosines.append(a.product(xp, b) / (a.length * b.length))
        ratios.append(a.ratio_to(xp, b))
    return Alignment(xp.stack(cosines).reshape(-1), xp.stack(ratios).reshape(-1))


def update_ratio(xp: Namespace, old: Sequence[Array], new: Sequence[Array]) -> Shaped[Array, "1"]:
    """Return ‖ΔW‖/‖W‖ of a layer's weights in the wide type, NaN for weights of zero."""
    moved = [xp.wide(b) - xp.wide(a) for a, b in zip(old, new, strict=True)]
    return _Direction.of(xp, moved).ratio_to(xp, _Direction.of(xp, old))


class _Direction(NamedTuple):
    """Arrays w as size · entries with max|entries| = 1, whose squares do not underflow.

    `length` is ‖entries‖ of all together; it and `size` are (1,).
    """

    entries: tuple[Array, ...]
    size: Array
    length: Array

    @classmethod
    def of(cls, xp: Namespace, arrays: Sequence[Array]) -> "_Direction":
        flat = [xp.wide(array).reshape(-1) for array in arrays]
        size = reduce(xp.maximum, [largest_size(xp, array) for array in flat])
        found = cls(tuple(array / nonzero(xp, size) for array in flat), size, size)
        return found._replace(length=xp.sqrt(found.product(xp, found)))

    def product(self, xp: Namespace, other: "_Direction") -> Array:
        """Return the sum of products of entries."""
        pairs = zip(self.entries, other.entries, strict=True)
        return reduce(add, [xp.sum(a * b, axis=0, keepdims=True) for a, b in pairs])

    def ratio_to(self, xp: Namespace, other: "_Direction") -> Array:
        """Return ‖w‖/‖v‖, NaN for v = 0."""
        ratio = (self.size / nonzero(xp, other.size)) * (self.length / nonzero(xp, other.length))
        return xp.where(other.size > 0.0, ratio, float("nan"))
