"""The `[amortiser]` table: the chain that guesses where inference starts."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pcsim.scenario.fields import Inconsistency, OpenWord, Positive, Table, clash
from pcsim.scenario.inference import InferenceTable
from pcsim.scenario.learning import LearningTable
from pcsim.scenario.network import NetworkTable


class AmortiserTable(Table):
    """The chain that guesses where inference starts, from the target down to the input (`[amortiser]`)."""

    activation: Annotated[str | None, OpenWord("activation")] = None
    """Activation function of its hidden layers; without it that of the network."""
    init: Literal["orthogonal", "kaiming-uniform", "kaiming-normal", "xavier-uniform", "xavier-normal", "pytorch"] = (
        "xavier-uniform"
    )
    """Initialiser of its weights, with the gain that is usual."""
    optimizer: Literal["sgd", "momentum", "adam", "adamw", "mq"] = "adam"
    """How an update follows the gradient of what each of its layers gets wrong."""
    lr: Positive = 1e-3
    """Its learning rate, the same in all updates."""


def amortiser_problems(
    network: NetworkTable, inference: InferenceTable, learning: LearningTable | None
) -> Iterator[Inconsistency]:
    """Yield what a start that is guessed does not go with in other tables."""
    chosen, other = 'inference.start = "amortised"', "choose another start"
    for key in ("layers", "built"):
        if getattr(network, key) is not None:
            where = f"network.{key}, which an amortiser would have to go back through"
            yield clash(chosen, where, f"give dense layers by network.widths, or {other}")
    if learning is not None and learning.rule != "pc":
        yield clash(chosen, f'learning.rule = "{learning.rule}"', f'write rule = "pc", or {other}')
