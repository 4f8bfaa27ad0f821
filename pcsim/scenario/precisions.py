"""The words of `[network]` that have a value for every hidden layer: precisions and activity decay."""

from collections.abc import Iterator
from typing import Annotated, Any

from pcsim.scenario.fields import Allowed, Inconsistency, Number, Positive

Precisions = Annotated[
    Positive | tuple[Positive | tuple[Positive, ...] | tuple[tuple[Number, ...], ...], ...],
    Allowed("a number greater than 0, or a list of such a number, a matrix or its diagonal for each hidden layer"),
]
"""One for all hidden layers, or one for each: a number, the diagonal of a matrix, or its rows."""


def have_matrices(precisions: Any) -> bool:
    """Tell whether the errors of a layer weigh by more than a number."""
    return isinstance(precisions, tuple) and any(isinstance(each, tuple) for each in precisions)


def length_problems(words: dict[str, Any], hidden: int, sizes: str) -> Iterator[Inconsistency]:
    """Yield what is not as long as there are hidden layers, whose number follows from the key `sizes`."""
    for key, values in words.items():
        if isinstance(values, tuple) and len(values) != hidden:
            text = (
                f"network.{key} has length {len(values)}, but the network has {hidden} hidden layers; "
                "give one for each, or a single number for all"
            )
            yield Inconsistency((f"network.{key}", sizes), text)
