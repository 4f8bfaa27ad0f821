"""What an output loss is, and the output state of a target clamped hard."""

from typing import Protocol, runtime_checkable

from jaxtyping import Shaped

from pcsim.model.arrays import Array, Namespace


@runtime_checkable
class Loss(Protocol):
    """A per-sample output loss, summed over output units."""

    def value(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, " batch"]:
        """Return the loss of every sample, in the wide type."""
        ...

    def error(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, "batch units"]:
        """Return the output error −∂ℓ/∂ŷ in the type of the run."""
        ...

    def curvature_bound(self, xp: Namespace, target: Shaped[Array, "batch units"]) -> Shaped[Array, "batch 1"] | float:
        """Return the largest eigenvalue that ∂²ℓ/∂ŷ² has at any output."""
        ...

    def curvature(
        self,
        xp: Namespace,
        output: Shaped[Array, "batch units"],
        target: Shaped[Array, "batch units"],
        v: Shaped[Array, "_ units"],
    ) -> Shaped[Array, "_ units"]:
        """Return ∂²ℓ/∂ŷ² v; of one sample with any number of v."""
        ...

    def output_state(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, "batch units"]:
        """Return the state of the output layer: the target where it is clamped hard."""
        ...


class HardClamp:
    """The output state of a loss whose target is clamped hard."""

    def output_state(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, "batch units"]:
        """Return the target."""
        return target
