"""The Hessian over states at one sample's point, formed in blocks from the layers' local Jacobians."""

from collections.abc import Mapping
from math import prod

import numpy as np

from pcsim.curvature.blocks import BlockMatrix, Links, Weight, assemble
from pcsim.curvature.products import StateCurvature
from pcsim.model.arrays import Values


def state_hessian(curvature: StateCurvature) -> BlockMatrix:
    """Return ∂²E/∂s² in blocks of states, of a point of one sample on numpy arrays in float64."""
    energy = curvature.energy
    units = [prod(shape) for shape in energy.network.state_shapes]
    links = [_jacobians(curvature, j, units) for j in range(len(energy.network.layers))]
    outputs = prod(energy.network.layer_shapes[-1])
    loss = energy.loss.curvature(curvature.xp, curvature.point.output, curvature.clamped.y, np.eye(outputs))
    added: dict[int, Weight] = {i: delta for i, delta in enumerate(energy.decays) if delta != 0.0}
    matrix = assemble(units, links, [*energy.precisions, np.asarray(loss)], added)
    for i, bent in _second_order(curvature, units).items():
        matrix.blocks[i, i][...] -= bent
    return matrix


def _jacobians(curvature: StateCurvature, j: int, units: list[int]) -> Links:
    """Return ∂ŝ_j/∂s for every free state that layer j reads."""
    layer, found = curvature.energy.network.layers[j], dict[int, Values]()
    for i in {i for i in layer.reads if i >= 0}:
        pushed = layer.pushforward(
            curvature.xp, curvature.clamped.parameters[j], curvature.point.saved[j], {i: np.eye(units[i])}
        )
        found[i] = pushed.T
    return found


def _second_order(curvature: StateCurvature, units: list[int]) -> Mapping[int, Values]:
    """Return Σ_j γ_j ε_j · ∂²ŝ_j/∂s_i² of every state that an operation with second derivatives reads."""
    energy, found = curvature.energy, dict[int, Values]()
    for j, second in enumerate(curvature.seconds):
        if second is not None:
            layer = energy.network.layers[j]
            error = energy.weighted_error(curvature.point.errors, j)
            directions, i = np.eye(units[layer.source]), layer.source
            bent = layer.second_pullback(curvature.xp, curvature.clamped.parameters[j], second, error, directions)
            found[i] = found[i] + bent if i in found else bent
    return found
