"""From `[amortiser]` to the chain beside a network, its first parameters and how they learn."""

import numpy as np

from pcsim.assemble.initialisers import initialiser_of
from pcsim.assemble.layers import build_activation
from pcsim.engine.backend import Capabilities
from pcsim.engine.registry import others_that
from pcsim.errors import UsageError
from pcsim.learning import MQ, SGD, Adam, AdamW, AmortiserRule, Momentum, Optimizer
from pcsim.model.network import AMORTISER, Network, dense_chain
from pcsim.scenario import Scenario
from pcsim.typing import NDArray

Drawn = tuple[dict[str, NDArray[np.float64]], ...]
OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "momentum": Momentum, "adam": Adam, "adamw": AdamW, "mq": MQ}


def build_amortiser(scenario: Scenario) -> Network | None:
    """Return the chain from the output down to the input, None where inference starts without."""
    table, network = scenario.amortiser, scenario.network
    if table is None:
        return None
    return dense_chain(
        tuple(network.widths)[::-1],
        build_activation(table.activation or network.activation, network.negative_slope),
        activation_first=network.order == "activation-first",
        bias=network.bias,
    )


def with_drawn_amortiser(scenario: Scenario, network: Network, drawn: Drawn) -> Drawn:
    """Return parameters with those of an amortiser, where there is one: drawn apart, the network's stay as they are."""
    if network.amortiser is None or scenario.amortiser is None:
        return drawn
    own = network.amortiser.draw_parameters(initialiser_of(scenario.amortiser.init), (scenario.seed, 8))
    return tuple(
        {**layer, **{AMORTISER + name: array for name, array in back.items()}}
        for layer, back in zip(drawn, reversed(own), strict=True)
    )


def build_amortiser_rule(scenario: Scenario) -> AmortiserRule | None:
    """Return how an amortiser learns, None where there is none."""
    table = scenario.amortiser
    return None if table is None else AmortiserRule(OPTIMIZERS[table.optimizer](), table.lr)


def require_amortiser(scenario: Scenario, able: Capabilities) -> None:
    """Raise `UsageError` for a start that is guessed on a backend that cannot do so."""
    if scenario.amortiser is None or able.amortises:
        return
    name, others = scenario.backend.name, others_that(scenario.backend.name, lambda able: able.amortises)
    raise UsageError(
        f"{scenario.where('inference.start')}: backend '{name}' has no amortised start; choose another, or use the "
        f"backend {' or '.join(others)}"
    )
