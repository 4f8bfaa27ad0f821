"""The Hessians at the origin of weight space in closed form, where networks without skips have a saddle.

    loss                one hidden layer: −Σ_xy in the blocks that couple its two matrices, indefinite; more: all zeros,
                        a saddle that is not strict                                                    (thesis 4.6)
    equilibrated energy besides that of the loss −Σ_yy in the block of the last matrix: a strict saddle at any depth
                                                                                                       (thesis 4.8)

Both are there once for every hidden unit that the blocks act through. Σ are second moments, means over the samples.
"""

import numpy as np
from jaxtyping import Float64

from pcsim.errors import UsageError
from pcsim.landscape.deep_linear import WeightLandscape
from pcsim.landscape.hessian import Square
from pcsim.typing import NDArray

Spectrum = Float64[NDArray[np.float64], " weights"]


def loss_hessian_at_origin(landscape: WeightLandscape) -> Square:
    """Return ∇²L at zero weights (thesis 4.6); raises `UsageError` without a hidden layer, or with skips."""
    _require_saddle(landscape)
    hessian = np.zeros((landscape.size, landscape.size))
    if landscape.depth == 2:
        hidden, outputs = landscape.widths[1:]
        first = landscape.widths[0] * hidden
        scale = landscape.scales[0] * landscape.scales[1]
        # Indices: input e and hidden unit f of W_0, hidden unit c and output d of W_1.
        block = np.einsum("de,cf->cdef", -scale * landscape.moments[1], np.eye(hidden))
        hessian[first:, :first] = block.reshape(hidden * outputs, first)
        hessian[:first, first:] = hessian[first:, :first].T
    return hessian


def energy_hessian_at_origin(landscape: WeightLandscape) -> Square:
    """Return ∇²F* at zero weights (thesis 4.8); raises `UsageError` without a hidden layer, or with skips."""
    hessian = loss_hessian_at_origin(landscape)
    last = landscape.widths[-2] * landscape.widths[-1]
    hessian[-last:, -last:] = np.kron(np.eye(landscape.widths[-2]), -(landscape.scales[-1] ** 2) * landscape.moments[2])
    return hessian


def loss_spectrum_at_origin(landscape: WeightLandscape) -> Spectrum:
    """Return the eigenvalues of ∇²L at zero weights, ascending, from the singular values σ of Σ_yx: ±σ, or zeros."""
    _require_saddle(landscape)
    found = np.zeros(landscape.size)
    if landscape.depth == 2:
        singular = landscape.scales[0] * landscape.scales[1] * np.linalg.svd(landscape.moments[1], compute_uv=False)
        pairs = np.repeat(np.concatenate([singular, -singular]), landscape.widths[1])
        found[: pairs.size] = pairs
    return np.sort(found)


def energy_spectrum_at_origin(landscape: WeightLandscape) -> Spectrum:
    """Return the eigenvalues of ∇²F* at zero weights, ascending.

    With more than one hidden layer those of −Σ_yy, once for every unit of the last hidden layer, and zeros. With one
    those of the coupled blocks [[0, −Σ_xy], [−Σ_yx, −Σ_yy]], once for every hidden unit.
    """
    _require_saddle(landscape)
    _, cross, outputs = landscape.moments
    last = landscape.scales[-1] ** 2 * outputs
    if landscape.depth == 2:
        coupled = landscape.scales[0] * landscape.scales[1] * cross
        inputs = np.zeros((landscape.widths[0], landscape.widths[0]))
        single = np.linalg.eigvalsh(np.block([[inputs, -coupled.T], [-coupled, -last]]))
    else:
        single = np.linalg.eigvalsh(-last)
    found = np.zeros(landscape.size)
    every = np.repeat(single, landscape.widths[-2])
    found[: every.size] = every
    return np.sort(found)


def _require_saddle(landscape: WeightLandscape) -> None:
    if landscape.depth == 1:
        raise UsageError("the network has no hidden layer: its loss is convex, and the origin is no saddle")
    if any(landscape.skips):
        raise UsageError("the network has skips, with which the origin is no saddle; set skip = false")
