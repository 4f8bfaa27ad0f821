"""Langevin dynamics: inference at a temperature, whose states are samples (Oliviers, Bogacz, Meulemans 2024)."""

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from pcsim.inference.base import Inference, Moving, Traits
from pcsim.inference.draws import DrawingNamespace, normals, seed_words
from pcsim.inference.steppers import Stepper, step_size_of
from pcsim.inference.wrapping import Wrapping
from pcsim.model.arrays import Array, Namespace
from pcsim.model.energy import Clamped, Evaluation
from pcsim.model.flat import Flat


@dataclass(frozen=True)
class Langevin(Wrapping):
    """State or error optimization by gradient descent, with noise: z ← z − λ ∇_z E + √(2 λ T) ξ, ξ ~ N(0, 1).

    Where λ is small, the variables z are in the end samples of exp(−E/T); steps of finite size have no correction.
    Draws depend on the seed, the number of the update, of the sample, of the step and of the unit; without an update
    that is 0, and `samples` (batch,), whole numbers, are counted from 0. The stepper is gradient descent in constant
    steps: others would need noise of another size.

    Source: PLOS Computational Biology 20 (2024) e1012532, the overdamped form. Weights that learn at the end of
    inference learn from its last sample, as its authors' program does with one sample for every point of the data.
    """

    temperature: float
    seed: int
    update: Any = 0
    samples: Array | None = None

    @property
    def traits(self) -> Traits:
        """What the method is, with variables that move at random."""
        return replace(self.inference.traits, draws=True)

    def advance(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: Moving, stepper: Stepper, step: Any
    ) -> Moving:
        """Take the method's step, and add noise to every variable."""
        moved: Moving = self.inference.advance(xp, clamped, point, carry, stepper, step)
        layout = Flat(tuple(z.shape[1:] for z in moved.variables))
        samples = np.arange(clamped.y.shape[0]) if self.samples is None else self.samples
        drawing = cast("DrawingNamespace", xp)
        drawn = normals(drawing, seed_words(self.seed), self.update, samples, step, layout.size)
        size = (2.0 * step_size_of(stepper) * self.temperature) ** 0.5
        noise = (size * xi.astype(z.dtype) for z, xi in zip(moved.variables, layout.split(drawn), strict=True))
        return moved._replace(variables=tuple(z + n for z, n in zip(moved.variables, noise, strict=True)))


def drawing_for(inference: Inference, samples: Array, update: Any) -> Inference:
    """Return the method with the draws of samples, by number, in an update; one without noise as it is."""
    return replace(inference, samples=samples, update=update) if isinstance(inference, Langevin) else inference


def without_noise(inference: Inference) -> Inference:
    """Return the method at temperature 0, or that itself which has none."""
    return inference.inference if isinstance(inference, Langevin) else inference
