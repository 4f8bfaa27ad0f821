"""From a scenario's words to what is simulated: network, loss, energy, inference."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from math import prod
from typing import Any

from pcsim.assemble.amortiser import build_amortiser
from pcsim.assemble.coupling import require_independent_samples
from pcsim.assemble.layers import build_activation, build_listed
from pcsim.assemble.own_code import built_network
from pcsim.assemble.own_methods import require_inference
from pcsim.assemble.own_trials import require_loss
from pcsim.assemble.precisions import per_layer, precisions_of
from pcsim.assemble.roles import named, sizes_key
from pcsim.errors import UsageError
from pcsim.extensions import KINDS, find
from pcsim.inference import (
    AugmentedLagrangian,
    Backprop,
    Bidirectional,
    Equilibrium,
    EquilibriumPropagation,
    ErrorOptimization,
    ErrorsFirst,
    FixedPredictions,
    Halving,
    IncrementSequentialStateOptimization,
    IncrementStateOptimization,
    Inference,
    Langevin,
    PrecisionWeighted,
    SequentialStateOptimization,
    StateOptimization,
)
from pcsim.inference.base import OnEnergy
from pcsim.model import losses
from pcsim.model.energy import Energy
from pcsim.model.network import PRECISION, Network, dense_chain
from pcsim.scenario import Scenario

RESIDUALS = {"float32": 2e-4, "float64": 1e-8}
"""About the square root of the unit roundoff: there, one more step would change no digit of an energy of order one."""


def build_network(scenario: Scenario) -> Network:
    """Return the network a scenario describes."""
    learning = scenario.learning
    learns_precisions = learning is not None and learning.precisions is not None
    network = _network(scenario)
    if scenario.inference.method == "bidirectional":
        network = _with_top_down(scenario, network)
    return replace(network, learns_precisions=learns_precisions, amortiser=build_amortiser(scenario))


def hidden_units(scenario: Scenario) -> tuple[int, ...]:
    """Return how many units every hidden layer has, in an image all of its places and channels."""
    if scenario.network.widths:
        return scenario.network.widths[1:-1]
    return tuple(prod(shape) for shape in _network(scenario).layer_shapes[:-1])


def _network(scenario: Scenario) -> Network:
    table = scenario.network
    if table.layers is not None or table.built is not None:
        network = build_listed(scenario) if table.built is None else built_network(scenario)
        if not any(network.parameters):
            raise UsageError(
                f"{scenario.where(sizes_key(scenario))}: the network has no parameters; give it a layer that has some"
            )
        require_independent_samples(scenario, network)
        return network
    return dense_chain(
        tuple(table.widths),
        build_activation(table.activation, table.negative_slope),
        activation_first=table.order == "activation-first",
        sigmoid_output=table.output == "sigmoid",
        bias=table.bias,
        skip=table.skip,
        mupc=table.parametrisation == "mupc",
        ntp=table.parametrisation == "ntp",
        gamma=table.gamma,
    )


def _with_top_down(scenario: Scenario, network: Network) -> Network:
    """Return a dense chain with top-down predictions by a chain of the same words from its output to its input."""
    table = scenario.network
    activation = build_activation(table.activation, table.negative_slope)
    first = table.order == "activation-first"
    mirror = dense_chain(tuple(reversed(table.widths)), activation, activation_first=first, bias=table.bias)
    return network.with_top_down(mirror)


def build_inference(scenario: Scenario, network: Network, masked: tuple[bool, ...] = ()) -> Inference:
    """Return the inference method on the scenario's energy; `masked` output units (a flag each) have no target."""
    free = len(network.layers) - 1
    energy = Energy(
        network,
        _loss(scenario, masked, network.layer_shapes[-1][0]),
        precisions_of(scenario, network),
        per_layer(scenario, "activity_decay", free),
        scenario.inference.top_down,
    )
    kind: Any = method_of(scenario)
    if kind.traits.searches:
        return kind(energy, residual_of(scenario), scenario.inference.steps)
    method = kind(energy.bare if kind.traits.backpropagates else energy, **_words(scenario, kind))
    with named(scenario, "inference.method"):
        require_inference(method)
    if scenario.inference.error_steps > 0:
        method = ErrorsFirst(method, scenario.inference.error_steps, scenario.inference.error_rate)
    if scenario.inference.noise > 0 and scenario.inference.solver is None:
        method = Langevin(method, scenario.seed, temperature=scenario.inference.noise)
    return Halving(method) if scenario.inference.step_halving else method


def inferring_with(inference: Inference, parameters: Sequence[Mapping[str, Any]]) -> Inference:
    """Return the method with the precisions, as numbers, that are among parameters on the host."""
    numbers = [{PRECISION: float(own[PRECISION][0])} if PRECISION in own else {} for own in parameters]
    return inference.with_energy(inference.energy.at(numbers))


def method_of(scenario: Scenario) -> type[OnEnergy]:
    """Return the inference method that a scenario names."""
    table = scenario.inference
    increment = table.form == "increment"
    state = IncrementStateOptimization if increment else StateOptimization
    shipped: dict[str, type[OnEnergy]] = {
        "state": FixedPredictions if table.predictions == "fixed" else state,
        "error": ErrorOptimization,
        "precision-weighted": PrecisionWeighted,
        "augmented-lagrangian": AugmentedLagrangian,
        "equilibrium-propagation": EquilibriumPropagation,
        "bidirectional": Bidirectional,
        "equilibrium": Equilibrium,
        "sequential": IncrementSequentialStateOptimization if increment else SequentialStateOptimization,
        "backprop": Backprop,
    }
    return shipped[table.method] if table.method in shipped else find("inference", table.method)


def _words(scenario: Scenario, kind: type[OnEnergy]) -> dict[str, Any]:
    """Return the words of `[inference]` that a method of ours takes: those that its fields are named as."""
    table = scenario.inference
    if table.method not in KINDS["inference"].shipped:
        return {}
    return {each.name: getattr(table, each.name) for each in fields(kind) if each.name in type(table).model_fields}


def residual_of(scenario: Scenario) -> float:
    """Return the norm of the gradient at which a sample has found its equilibrium; by default the precision's."""
    stop = scenario.inference.stop
    if stop is not None and stop.grad_norm is not None:
        return stop.grad_norm
    return RESIDUALS.get(scenario.backend.precision_name, RESIDUALS["float64"])


def _loss(scenario: Scenario, masked: tuple[bool, ...], units: int) -> losses.Loss:
    table = scenario.inference
    if table.output == "free":
        return losses.NoTarget()
    soft = losses.SoftClampedSquaredError(table.clamp_precision) if table.clamp == "soft" else None
    if masked:
        return losses.PartlyClamped(soft or losses.SquaredError(), masked)
    if soft is not None:
        return soft
    shipped = {
        "squared-error": losses.SquaredError(),
        "cross-entropy": losses.CrossEntropy(),
        "binary-cross-entropy": losses.BinaryCrossEntropy(),
    }
    if table.loss in shipped:
        loss = shipped[table.loss]
    else:
        with named(scenario, "inference.loss"):
            loss = find("loss", table.loss)
            require_loss(f"loss '{table.loss}'", loss, units)
    return loss if table.output_precision == 1.0 else losses.Weighted(loss, table.output_precision)
