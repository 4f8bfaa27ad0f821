"""A chain of parts, one after another, with the products of the whole."""

from collections.abc import Mapping
from dataclasses import dataclass

from pcsim.model.activations import accumulate
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers.part import Anchor, Parameter, Part, Saved, Second, Shape


@dataclass(frozen=True)
class Chain:
    """Parts, the first one applied first; without any it is the identity. Its parts share one set of parameters."""

    parts: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        names = [name for part in self.parts for name in part.parameters]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two parts of a chain call a parameter '{twice}'; give one of them another name")

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The parameters of all parts, in order."""
        return {name: parameter for part in self.parts for name, parameter in part.parameters.items()}

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of what it makes of samples of a shape; raises `ValueError` where they do not fit."""
        for part in self.parts:
            shape = part.output_shape(shape)
        return shape

    def forward(self, xp: Namespace, parameters: Parameters, s: Array) -> tuple[Array, Saved]:
        """Return the value at s and what every part saved."""
        saved: list[Saved] = []
        for part in self.parts:
            s, own = part.forward(xp, parameters, s)
            saved.append(own)
        return s, tuple(saved)

    def pullback(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Array:
        """Return vᵀ ∂f/∂s."""
        for part, own in zip(reversed(self.parts), reversed(saved), strict=True):
            v = part.pullback(xp, parameters, own, v)
        return v

    def pushforward(self, xp: Namespace, parameters: Parameters, saved: Saved, ds: Array) -> Array:
        """Return ∂f/∂s Δs."""
        for part, own in zip(self.parts, saved, strict=True):
            ds = part.pushforward(xp, parameters, own, ds)
        return ds

    def gradient(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Parameters:
        """Return vᵀ ∂f/∂θ summed over the batch, for every parameter θ that is learned, in order."""
        found: dict[int, Parameters] = {}
        learning = [k for k, part in enumerate(self.parts) if part.parameters]
        for k in range(len(self.parts) - 1, min(learning, default=len(self.parts)) - 1, -1):
            if k in learning:
                found[k] = self.parts[k].gradient(xp, parameters, saved[k], v)
            if k > learning[0]:
                v = self.parts[k].pullback(xp, parameters, saved[k], v)
        return {name: value for k in learning for name, value in found[k].items()}

    def second(self, xp: Namespace, parameters: Parameters, s: Array) -> Second:
        """Return what `pullback_change` needs of the point s, None where there are no second derivatives."""
        found: list[Second] = []
        for part in self.parts:
            found.append(part.second(xp, parameters, s))
            s = part.forward(xp, parameters, s)[0]
        return None if all(own is None for own in found) else tuple(found)

    def pullback_change(
        self, xp: Namespace, parameters: Parameters, saved: Saved, second: Second, v: Array, dv: Array, ds: Array
    ) -> Array:
        """Return how the pullback of v changes as v does by dv and the point by ds (Pearlmutter 1994).

        `dv` is None for a v that stays; both may belong to more points than the saved one, which is then of one sample.
        """
        if second is None:
            return None if dv is None else self.pullback(xp, parameters, saved, dv)
        shifts = [ds]
        for part, own in zip(self.parts[:-1], saved, strict=False):
            shifts.append(part.pushforward(xp, parameters, own, shifts[-1]))
        for part, own, bent, shift in zip(*map(reversed, (self.parts, saved, second, shifts)), strict=True):
            dv = None if dv is None else part.pullback(xp, parameters, own, dv)
            if bent is not None:
                turned = part.bend(xp, parameters, bent, v, shift)
                dv = turned if dv is None else dv + turned
            v = part.pullback(xp, parameters, own, v)
        return dv

    def anchor(self, xp: Namespace, parameters: Parameters, s: Array) -> Anchor:
        """Return what `increment` needs to know of the point s: of every part its anchor, and its point if it learns.

        The first part is told where it is, and needs to remember no point.
        """
        found: list[Anchor] = []
        for k, part in enumerate(self.parts):
            point = (s, xp.zeros_like(s)) if k > 0 and part.parameters else None
            found.append((part.anchor(xp, parameters, s), point))
            s = part.forward(xp, parameters, s)[0]
        return tuple(found)

    def increment(
        self, xp: Namespace, parameters: Parameters, anchor: Anchor, s: Array, ds: Array
    ) -> tuple[Array, Saved, Anchor]:
        """Return f(s) − f(s − Δs) without cancellation, then saved and anchor at s; `anchor` is at s − Δs."""
        saved: list[Saved] = []
        after: list[Anchor] = []
        for k, (part, (own, before)) in enumerate(zip(self.parts, anchor, strict=True)):
            point = None if before is None else accumulate(before[0], before[1], ds)
            here = s if k == 0 else None if point is None else point[0]
            ds, kept, moved = part.increment(xp, parameters, own, here, ds)
            saved.append(kept)
            after.append((moved, point))
        return ds, tuple(saved), tuple(after)
