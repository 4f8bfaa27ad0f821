"""A layer: an operation placed in the chain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers.operation import Anchor, Operation, Saved, Second


@dataclass(frozen=True)
class Layer:
    """ŝ_i = a · op(s_source) + s_skip: an operation placed in the chain (model: section 1).

    States are numbered from 0; −1 is the input. `premultiplier` a scales the bias too. A skip adds an earlier
    state of the same shape.
    """

    operation: Operation
    source: int
    premultiplier: float = 1.0
    skip: int | None = None

    @property
    def reads(self) -> tuple[int, ...]:
        """The states this layer reads, the operation's first."""
        return (self.source,) if self.skip is None else (self.source, self.skip)

    def forward(self, xp: Namespace, parameters: Parameters, inputs: Sequence[Array]) -> tuple[Array, Saved]:
        """Return the prediction from the states in `reads`, and what is saved for the pullback."""
        value, saved = self.operation.forward(xp, parameters, inputs[0])
        if self.premultiplier != 1.0:
            value = self.premultiplier * value
        if self.skip is not None:
            value = value + inputs[1]
        return value, saved

    def pullback(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array, state: int) -> Array:
        """Return vᵀ ∂ŝ/∂s for one of the states in `reads`."""
        if state != self.source:
            return v
        through = self.operation.pullback(xp, parameters, saved, self._scaled(v))
        return through + v if state == self.skip else through

    def pushforward(self, xp: Namespace, parameters: Parameters, saved: Saved, changes: Mapping[int, Array]) -> Array:
        """Return Σ ∂ŝ/∂s Δs over those of the states in `reads` that change: at least one."""
        parts: list[Array] = []
        if self.source in changes:
            parts.append(self._scaled(self.operation.pushforward(xp, parameters, saved, changes[self.source])))
        if self.skip is not None and self.skip in changes:
            parts.append(changes[self.skip])
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]

    def second(self, xp: Namespace, parameters: Parameters, inputs: Sequence[Array]) -> Second:
        """Return what `second_pullback` needs of the states in `reads`, None where there are no second derivatives."""
        return self.operation.second(xp, parameters, inputs[0])

    def second_pullback(self, xp: Namespace, parameters: Parameters, second: Second, v: Array, ds: Array) -> Array:
        """Return vᵀ ∂²ŝ/∂s² Δs for the operation's state: a skip is linear."""
        return self.operation.second_pullback(xp, parameters, second, self._scaled(v), ds)

    def increment(
        self,
        xp: Namespace,
        parameters: Parameters,
        point: tuple[Saved, Anchor],
        states: Sequence[Array],
        changes: Mapping[int, Array],
    ) -> tuple[Array, tuple[Saved, Anchor]]:
        """Return how the prediction changes, without cancellation, where some of the states in `reads` changed.

        `states` are the new ones, `changes` how far those that moved did; saved and anchor go with them.
        """
        parts: list[Array] = []
        if self.source in changes:
            through, *after = self.operation.increment(
                xp, parameters, point[1], states[self.source], changes[self.source]
            )
            point = (after[0], after[1])
            parts.append(self._scaled(through))
        if self.skip is not None and self.skip in changes:
            parts.append(changes[self.skip])
        return (parts[0] if len(parts) == 1 else parts[0] + parts[1]), point

    def gradient(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Parameters:
        """Return vᵀ ∂ŝ/∂θ summed over the batch."""
        return self.operation.gradient(xp, parameters, saved, self._scaled(v))

    def _scaled(self, v: Array) -> Array:
        return v if self.premultiplier == 1.0 else self.premultiplier * v
