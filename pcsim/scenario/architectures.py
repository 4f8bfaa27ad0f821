"""Named architectures as lists of layers: those of the EO paper, Tables D.9 and D.10."""

from collections.abc import Callable
from typing import Any

from pcsim.scenario.network import Named

_VGG: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = {
    "vgg-5": ((128, 256, 512, 512), (1, 1, 1, 1), (0, 1, 2, 3)),
    "vgg-7": ((128, 128, 256, 256, 512, 512), (1, 1, 1, 0, 1, 0), (0, 2, 4)),
    "vgg-9": ((128, 128, 256, 256, 512, 512, 512, 512), (1,) * 8, (0, 2, 4, 6)),
}
"""Channels, paddings, and the layers after which 2 × 2 entries are pooled."""
_STAGES = (64, 128, 256, 512)


def layers_of(named: Named) -> list[dict[str, Any]]:
    """Return the layers of a named architecture."""

    def count(channels: int) -> int:
        return max(1, round(named.width * channels))

    norm = {"kind": "batch", "statistics": named.statistics}
    hidden = _residual(count, norm) if named.architecture == "resnet-18" else _vgg(named.architecture, count)
    return [*hidden, {"dense": named.output.width, "activation": named.output.activation}]


def _vgg(architecture: str, count: Callable[[int], int]) -> list[dict[str, Any]]:
    channels, paddings, pooled = _VGG[architecture]
    return [
        {"conv": count(made), "kernel": 3, "padding": padding} | ({"pool": 2} if i in pooled else {})
        for i, (made, padding) in enumerate(zip(channels, paddings, strict=True))
    ]


def _residual(count: Callable[[int], int], norm: dict[str, str]) -> list[dict[str, Any]]:
    """Two blocks of two layers a stage; where the image shrinks, the shortcut is a convolution of single pixels."""
    found: list[dict[str, Any]] = [{"conv": count(_STAGES[0]), "kernel": 3, "padding": 1, "norm": norm}]
    for stage, channels in enumerate(map(count, _STAGES)):
        for block in range(2):
            stride = 2 if stage > 0 and block == 0 else 1
            plain = {"conv": channels, "kernel": 3, "padding": 1, "norm": norm}
            shortcut = {"back": 2, "conv": channels, "kernel": 1, "stride": stride, "norm": norm}
            found.append(plain | ({"stride": stride} if stride > 1 else {}))
            found.append(plain | {"add": shortcut if stride > 1 else {"back": 2}})
    found[-1]["pool"] = "global"
    return found
