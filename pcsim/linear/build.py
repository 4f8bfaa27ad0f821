"""From networks, scenarios and traces to the quadratic form of a deep linear network."""

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

import numpy as np

from pcsim.assemble import build_inference, build_network, inferring_with, load_inputs, read_dataset
from pcsim.errors import UsageError
from pcsim.linear.trajectory import LinearSystem
from pcsim.model.activations import Linear
from pcsim.model.arrays import Values
from pcsim.model.energy import Energy
from pcsim.model.layers import DenseLayer, Layer, read_as_dense
from pcsim.model.losses import NoTarget, SoftClampedSquaredError, SquaredError, Weighted
from pcsim.model.network import Network
from pcsim.model.precisions import matrices
from pcsim.recorded.resimulation import setting_in_double
from pcsim.scenario import Scenario, read_scenario
from pcsim.trace import Trace


def system(source: Scenario | Trace | str | Path) -> LinearSystem:
    """Return the quadratic form of a deep linear network's energy, in float64.

    `source` is a scenario, its path or the name of one that ships, as it is before training; or a trace, whose network
    is the one inference ran on. Raises `UsageError` for a network that is not linear, or another loss.
    """
    if isinstance(source, Trace):
        scenario, network, inputs = setting_in_double(source)
    else:
        scenario = source if isinstance(source, Scenario) else read_scenario(source)
        network = build_network(scenario)
        inputs = load_inputs(scenario, network, read_dataset(scenario))
    if scenario.data.mask is not None:
        raise UsageError(
            f"{scenario.where('data.mask')}: the theory of deep linear networks needs whole samples; remove the mask"
        )
    parameters = inputs.parameters
    energy = inferring_with(build_inference(scenario, network), parameters).energy
    if scenario.inference.input == "free":
        energy, parameters = energy.with_free_input(), ({}, *parameters)
    return linear_system(energy, parameters, inputs.x, inputs.y)


def linear_system(energy: Energy, parameters: Sequence[Mapping[str, Values]], x: Values, y: Values) -> LinearSystem:
    """Return the quadratic form of a deep linear network's energy, in float64.

    `parameters` holds W (n_in, n_out) and maybe b (n_out,) of every layer, `x` is (batch, inputs), `y`
    (batch, outputs). Either activation order, skips, premultipliers, biases, precisions, as matrices too, activity
    decay, hard and soft clamping, free ends. Raises `UsageError` for a network that is not linear, or another loss.
    """
    if energy.network.top_down:
        raise UsageError("the theory of deep linear networks knows no top-down predictions; use another method")
    output_weight = _output_weight(energy)
    layers = [_linear(layer, i) for i, layer in enumerate(energy.network.layers)]
    units = tuple(prod(shape) for shape in energy.network.layer_shapes)
    links: list[dict[int, Values | None]] = []
    offsets: list[Values] = []
    for layer, own, n_out in zip(layers, parameters, units, strict=True):
        offset = np.zeros((len(x), n_out))
        if "b" in own:
            offset += layer.premultiplier * own["b"]
        reads = _reads(layer, own)
        if -1 in reads:
            matrix = reads.pop(-1)
            offset += x if matrix is None else x @ matrix.T
        links.append(reads)
        offsets.append(offset)
    # The output state is the target and no unknown: its error y − ŷ has the same sign as the others.
    offsets[-1] -= y
    return LinearSystem(
        units,
        tuple(links),
        np.concatenate(offsets, axis=1),
        (*matrices(energy.precisions), output_weight),
        energy.decays,
        energy.network.has_free_input,
    )


def is_linear(network: Network) -> bool:
    """Tell whether all layers are dense and linear, or the start of a free input."""
    layers = map(read_as_dense, network.layers)
    return all(dense is not None and isinstance(dense.activation, Linear) for dense in layers)


def _reads(layer: DenseLayer, own: Mapping[str, Values]) -> dict[int, Values | None]:
    """Return the states a layer reads and the matrix that acts on each as a column, None for the identity."""
    if layer.dense is None:
        return {layer.source: None}
    matrix = own["W"].T if layer.premultiplier == 1.0 else layer.premultiplier * own["W"].T
    if layer.skip is None:
        return {layer.source: matrix}
    if layer.skip == layer.source:
        return {layer.source: matrix + np.eye(len(matrix))}
    return {layer.source: matrix, layer.skip: None}


def _linear(layer: Layer, i: int) -> DenseLayer:
    dense = read_as_dense(layer)
    if dense is None:
        raise UsageError(
            f"layer {i} is no dense layer; the theory of deep linear networks needs dense layers throughout"
        )
    if not isinstance(dense.activation, Linear):
        raise UsageError(
            f"layer {i} has the activation {type(dense.activation).__name__}; the theory of deep linear networks "
            'needs linear ones throughout: activation = "linear" and output = "linear"'
        )
    return dense


def _output_weight(energy: Energy) -> float:
    match energy.loss:
        case Weighted(loss=SquaredError(), precision=precision):
            return precision
        case SquaredError():
            return 1.0
        case SoftClampedSquaredError(precision):
            return precision / (1.0 + precision)
        case NoTarget():
            return 0.0
        case other:
            raise UsageError(
                f"the loss is {type(other).__name__}; the theory of deep linear networks needs the squared error: "
                'loss = "squared-error"'
            )
