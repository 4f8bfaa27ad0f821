"""Convolutions of images (batch, height, width, channels) by XLA, with their transposes."""

from typing import Any

import jax
from jaxtyping import Shaped

from pcsim.model.arrays import Array
from pcsim.model.windows import Window

IMAGES, KERNELS = "NHWC", "HWIO"
Images = Shaped[Array, "batch h w c"]
Places = Shaped[Array, "batch rows columns out"]
Kernel = Shaped[Array, "k k c out"]


def convolved(s: Images, kernel: Kernel, window: Window, dtype: Any) -> Places:
    """Return what every window makes of s, accumulated in a type."""
    return jax.lax.conv_general_dilated(
        s,
        kernel,
        (window.stride, window.stride),
        [(window.padding, window.padding)] * 2,
        dimension_numbers=(IMAGES, KERNELS, IMAGES),
        preferred_element_type=dtype,
    )


def pulled_back(v: Places, kernel: Kernel, window: Window, image: tuple[int, int], dtype: Any) -> Images:
    """Return the transpose of `convolved`: a convolution of v, spread by the stride, with the mirrored kernel."""
    pads = [
        (window.size - 1 - window.padding, length + window.padding - 1 - window.stride * (places - 1))
        for length, places in zip(image, v.shape[1:3], strict=True)
    ]
    return jax.lax.conv_general_dilated(
        v,
        kernel[::-1, ::-1].swapaxes(2, 3),
        (1, 1),
        pads,
        lhs_dilation=(window.stride, window.stride),
        dimension_numbers=(IMAGES, KERNELS, IMAGES),
        preferred_element_type=dtype,
    )


def kernel_gradient(s: Images, v: Places, window: Window, dtype: Any) -> Kernel:
    """Return the gradient of vᵀ convolved(s, kernel): a convolution over the batch of s with v."""
    pads = [
        (window.padding, window.stride * (places - 1) + window.size - length - window.padding)
        for length, places in zip(s.shape[1:3], v.shape[1:3], strict=True)
    ]
    return jax.lax.conv_general_dilated(
        s,
        v,
        (1, 1),
        pads,
        rhs_dilation=(window.stride, window.stride),
        dimension_numbers=("CHWN", "IHWO", "HWNC"),
        preferred_element_type=dtype,
    )
