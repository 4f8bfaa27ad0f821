"""The Hessian over states at one sample's point, formed in blocks from the layers' local Jacobians."""

from collections.abc import Mapping
from math import prod

import numpy as np

from pcsim.curvature.blocks import BlockMatrix, Links, Weight, assemble
from pcsim.curvature.products import StateCurvature
from pcsim.model.arrays import Values
from pcsim.model.precisions import matrices


def state_hessian(curvature: StateCurvature) -> BlockMatrix:
    """Return ∂²E/∂s² in blocks of states, of a point of one sample on numpy arrays in float64."""
    energy = curvature.energy
    units = [prod(shape) for shape in energy.network.state_shapes]
    links = [_jacobians(curvature, j) for j in range(len(energy.network.layers))]
    outputs = prod(energy.network.layer_shapes[-1])
    loss = energy.loss.curvature(curvature.xp, curvature.point.output, curvature.clamped.y, np.eye(outputs))
    added: dict[int, Weight] = {i: delta for i, delta in enumerate(energy.decays) if delta != 0.0}
    matrix = assemble(units, links, [*matrices(energy.precisions), np.asarray(loss)], added)
    blocks = dict(matrix.blocks)
    for at, bent in _second_order(curvature).items():
        blocks[at] = blocks[at] - bent if at in blocks else -bent
    return BlockMatrix(matrix.sizes, blocks)


def _jacobians(curvature: StateCurvature, j: int) -> Links:
    """Return ∂ŝ_j/∂s for every free state that layer j reads."""
    layer, found = curvature.energy.network.layers[j], dict[int, Values]()
    for i in {i for i in layer.reads if i >= 0}:
        pushed = layer.pushforward(
            curvature.xp, curvature.clamped.parameters[j], curvature.point.saved[j], {i: _unit_vectors(curvature, i)}
        )
        found[i] = pushed.reshape(len(pushed), -1).T
    return found


def _second_order(curvature: StateCurvature) -> Mapping[tuple[int, int], Values]:
    """Return Σ_j γ_j ε_j · ∂²ŝ_j/∂s_i∂s_k of every two states, i ≥ k, that a layer with second derivatives reads."""
    energy, found = curvature.energy, dict[tuple[int, int], Values]()
    for j, second in enumerate(curvature.seconds):
        if second is None:
            continue
        layer, point = energy.network.layers[j], (curvature.point.saved[j], second)
        error = energy.weighted_error(curvature.point.errors, j)
        for k in {k for k in layer.reads if k >= 0}:
            changes = {k: _unit_vectors(curvature, k)}
            bent = layer.pullback_change(curvature.xp, curvature.clamped.parameters[j], point, error, None, changes)
            for i, rows in bent.items():
                if i >= k:
                    block = rows.reshape(len(rows), -1).T
                    found[i, k] = found[i, k] + block if (i, k) in found else block
    return found


def _unit_vectors(curvature: StateCurvature, i: int) -> Values:
    """Return the unit vectors of state i, shaped as it is."""
    shape = curvature.energy.network.state_shapes[i]
    return np.eye(prod(shape)).reshape(-1, *shape)
