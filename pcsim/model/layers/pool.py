"""Pooling parts: the mean or the largest entry of every tile of an image, channel by channel.

Tiles do not overlap; rows and columns that fill none are dropped.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Shaped

from pcsim.model.activations import accumulate
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers.affine import Affine
from pcsim.model.layers.part import Anchor, Parameter, Saved, Second, Shape

Images = Shaped[Array, "_ h w c"]
Pooled = Shaped[Array, "_ rows columns c"]


@dataclass(frozen=True)
class _Tiles:
    """Tiles of `height` by `width` on images of `shape`."""

    shape: tuple[int, int, int]
    height: int
    width: int

    @property
    def places(self) -> tuple[int, int]:
        return self.shape[0] // self.height, self.shape[1] // self.width

    def output_shape(self, shape: Shape) -> Shape:
        """Return the tiles in height and width, and the channels."""
        if shape != self.shape:
            raise ValueError(f"takes images of shape {self.shape}, not {shape}")
        if min(self.places) < 1:
            raise ValueError(
                f"pools {self.height} × {self.width} of images of {shape[0]} × {shape[1]}: nothing is left"
            )
        return (*self.places, shape[2])

    def taps(self, s: Images) -> list[Pooled]:
        """Return, for every place in a tile, its entries in all tiles."""
        rows, columns = self.places
        return [
            s[:, a : rows * self.height : self.height, b : columns * self.width : self.width]
            for a in range(self.height)
            for b in range(self.width)
        ]

    def spread(self, xp: Namespace, taps: list[Pooled]) -> Images:
        """Return images with these entries in their places, and zeros where no tile is: the transpose of `taps`."""
        (rows, columns), channels = self.places, self.shape[2]
        tiles = xp.stack(taps).reshape(self.height, self.width, -1, rows, columns, channels)
        whole = tiles.transpose(2, 3, 0, 4, 1, 5).reshape(-1, rows * self.height, columns * self.width, channels)
        return xp.pad(whole, self.shape[0] - rows * self.height, self.shape[1] - columns * self.width)


@dataclass(frozen=True)
class AveragePool(_Tiles, Affine):
    """The mean of every tile; a tile as large as the image leaves (1, 1, channels)."""

    def linear(self, xp: Namespace, parameters: Parameters, s: Images) -> Pooled:
        """Return the means."""
        taps = self.taps(s)
        return (1.0 / len(taps)) * xp.sum(xp.stack(taps), axis=0)

    def transpose(self, xp: Namespace, parameters: Parameters, v: Pooled) -> Images:
        """Return an equal share for every entry of a tile."""
        count = self.height * self.width
        return self.spread(xp, [(1.0 / count) * v] * count)


@dataclass(frozen=True)
class MaxPool(_Tiles):
    """The largest entry of every tile, the first one of equal ones.

    It is found by a tournament: every entry in turn takes the lead from those before it if it is larger.
    """

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """None."""
        return {}

    @property
    def multiplications(self) -> int:
        """None."""
        return 0

    def forward(self, xp: Namespace, parameters: Parameters, s: Images) -> tuple[Pooled, Saved]:
        """Return the largest entries; what is saved says who took the lead."""
        lead, *others = self.taps(s)
        better: list[Array] = []
        for entry in others:
            better.append(entry > lead)
            lead = xp.where(better[-1], entry, lead)
        return lead, tuple(better)

    def pullback(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Pooled) -> Images:
        """Return v where the largest entries are."""
        zero, rest = xp.zeros_like(v), v
        found: list[Array] = []
        for better in reversed(saved):
            found.append(xp.where(better, rest, zero))
            rest = xp.where(better, zero, rest)
        return self.spread(xp, [rest, *reversed(found)])

    def pushforward(self, xp: Namespace, parameters: Parameters, saved: Saved, ds: Images) -> Pooled:
        """Return Δs where the largest entries are."""
        lead, *others = self.taps(ds)
        for better, entry in zip(saved, others, strict=True):
            lead = xp.where(better, entry, lead)
        return lead

    def gradient(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Pooled) -> Parameters:
        """Return nothing."""
        return {}

    def second(self, xp: Namespace, parameters: Parameters, s: Images) -> Second:
        """Return nothing: there are kinks only."""
        return None

    def bend(self, xp: Namespace, parameters: Parameters, second: Second, v: Array, ds: Images) -> Images:
        """Return zeros; nobody asks, for there is no second derivative."""
        return xp.zeros_like(ds)

    def anchor(self, xp: Namespace, parameters: Parameters, s: Images) -> Anchor:
        """Return s and its low part."""
        return s, xp.zeros_like(s)

    def increment(
        self, xp: Namespace, parameters: Parameters, anchor: Anchor, s: Array, ds: Images
    ) -> tuple[Pooled, Saved, Anchor]:
        """Return max(p + Δ) − max(p) as the largest Δ − (max(p) − p), without cancellation.

        Where another entry takes the lead, the gap that it closes is no larger than the increments.
        """
        points = list(zip(*map(self.taps, anchor), strict=True))
        (lead, low), *others = points
        for entry, rest in others:
            ahead = entry > lead
            lead, low = xp.where(ahead, entry, lead), xp.where(ahead, rest, low)
        first, *ways = [d - ((lead - p) + (low - q)) for (p, q), d in zip(points, self.taps(ds), strict=True)]
        better: list[Array] = []
        for way in ways:
            better.append(way > first)
            first = xp.where(better[-1], way, first)
        return first, tuple(better), accumulate(anchor[0], anchor[1], ds)
