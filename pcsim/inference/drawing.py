"""What methods share that draw at random."""

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from pcsim.inference.base import Inference
from pcsim.inference.draws import DrawingNamespace, normals, seed_words
from pcsim.inference.wrapping import Wrapping
from pcsim.model.arrays import Array, Namespace
from pcsim.model.energy import Clamped, States
from pcsim.model.flat import Flat


@dataclass(frozen=True)
class Drawing(Wrapping):
    """The base of methods on another one that draw standard normal numbers.

    Draws depend on the seed, the number of the update, of the sample, of the step and of the unit; without an update
    that is 0, and `samples` (batch,), whole numbers, are counted from 0.
    """

    seed: int
    update: Any = 0
    samples: Array | None = None

    def drawn(self, xp: Namespace, clamped: Clamped, like: States, step: Any) -> States:
        """Return draws in a step, shaped as some arrays (batch, *shape) and of their type."""
        layout = Flat(tuple(z.shape[1:] for z in like))
        samples = np.arange(clamped.y.shape[0]) if self.samples is None else self.samples
        found = normals(cast("DrawingNamespace", xp), seed_words(self.seed), self.update, samples, step, layout.size)
        return tuple(xi.astype(z.dtype) for z, xi in zip(like, layout.split(found), strict=True))


def drawing_for(inference: Inference, samples: Array, update: Any) -> Inference:
    """Return the method with the draws of samples, by number, in an update; one without draws as it is."""
    if not isinstance(inference, Wrapping):
        return inference
    inner = drawing_for(inference.inference, samples, update)
    if isinstance(inference, Drawing):
        return replace(inference, inference=inner, samples=samples, update=update)
    return replace(cast("Any", inference), inference=inner)
