"""Named architectures as lists of layers: those of the EO paper, Tables D.9 and D.10."""

from collections.abc import Callable
from typing import Any

_VGG: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = {
    "vgg-5": ((128, 256, 512, 512), (1, 1, 1, 1), (0, 1, 2, 3)),
    "vgg-7": ((128, 128, 256, 256, 512, 512), (1, 1, 1, 0, 1, 0), (0, 2, 4)),
    "vgg-9": ((128, 128, 256, 256, 512, 512, 512, 512), (1,) * 8, (0, 2, 4, 6)),
}
"""Channels, paddings, and the layers after which 2 × 2 entries are pooled."""
_STAGES = (64, 128, 256, 512)
ARCHITECTURES = (*_VGG, "resnet-18")
NORM = {"kind": "batch"}


def layers_of(architecture: str, width: float, outputs: int, activation: str) -> list[dict[str, Any]]:
    """Return the layers of an architecture, its channels times `width`, with an output layer of an activation."""
    count: Callable[[int], int] = lambda channels: max(1, round(width * channels))  # noqa: E731
    hidden = _residual(count) if architecture == "resnet-18" else _vgg(architecture, count)
    return [*hidden, {"dense": outputs, "activation": activation}]


def _vgg(architecture: str, count: Callable[[int], int]) -> list[dict[str, Any]]:
    channels, paddings, pooled = _VGG[architecture]
    return [
        {"conv": count(made), "kernel": 3, "padding": padding} | ({"pool": 2} if i in pooled else {})
        for i, (made, padding) in enumerate(zip(channels, paddings, strict=True))
    ]


def _residual(count: Callable[[int], int]) -> list[dict[str, Any]]:
    """Two blocks of two layers a stage; where the image shrinks, the shortcut is a convolution of single pixels."""
    found: list[dict[str, Any]] = [{"conv": count(_STAGES[0]), "kernel": 3, "padding": 1, "norm": NORM}]
    for stage, channels in enumerate(map(count, _STAGES)):
        for block in range(2):
            stride = 2 if stage > 0 and block == 0 else 1
            plain = {"conv": channels, "kernel": 3, "padding": 1, "norm": NORM}
            shortcut = {"back": 2, "conv": channels, "kernel": 1, "stride": stride, "norm": NORM}
            found.append(plain | ({"stride": stride} if stride > 1 else {}))
            found.append(plain | {"add": shortcut if stride > 1 else {"back": 2}})
    found[-1]["pool"] = "global"
    return found
