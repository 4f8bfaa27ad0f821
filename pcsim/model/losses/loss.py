"""What an output loss is."""

from typing import Protocol, runtime_checkable

from jaxtyping import Shaped

from pcsim.model.arrays import Array, Namespace

Outputs = Shaped[Array, "batch units"]
PerSample = Shaped[Array, " batch"]
Bound = Shaped[Array, "batch 1"] | float
Directions = Shaped[Array, "_ units"]


@runtime_checkable
class Loss(Protocol):
    """A per-sample output loss, summed over output units."""

    def value(self, xp: Namespace, output: Outputs, target: Outputs) -> PerSample:
        """Return the loss of every sample, in the wide type."""
        ...

    def error(self, xp: Namespace, output: Outputs, target: Outputs) -> Outputs:
        """Return the output error −∂ℓ/∂ŷ in the type of the run."""
        ...

    def curvature_bound(self, xp: Namespace, target: Outputs) -> Bound:
        """Return the largest eigenvalue that ∂²ℓ/∂ŷ² has at any output."""
        ...

    def curvature(self, xp: Namespace, output: Outputs, target: Outputs, v: Directions) -> Directions:
        """Return ∂²ℓ/∂ŷ² v; of one sample with any number of v."""
        ...

    def output_state(self, xp: Namespace, output: Outputs, target: Outputs) -> Outputs:
        """Return the state of the output layer: the target, which is clamped hard unless a loss says otherwise."""
        return target
