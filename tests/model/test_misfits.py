"""Parts, chains and layers that do not fit together: each is refused when it is made, or asked for its shape."""

from typing import Any

import pytest

from pcsim.model.activations import LeakyRelu
from pcsim.model.layers import (
    BatchNorm,
    Branch,
    Chain,
    Convolution,
    Dense,
    Flatten,
    Layer,
    MaxPool,
    Pointwise,
)
from pcsim.model.windows import Window


@pytest.mark.parametrize(
    ("part", "line"),
    [
        (Convolution((2, 2, 3), 1, Window(3)), "kernel of 3"),
        (MaxPool((1, 2, 3), 2, 2), "nothing is left"),
        (Dense(4, 2), "not"),
        (BatchNorm(2), "2 channels"),
        (Flatten((3,)), "not"),
    ],
)
def test_shapes_that_do_not_fit_are_named(part: Any, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        part.output_shape((2, 2, 3) if isinstance(part, Convolution) else (1, 2, 3))


def test_two_parts_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two parts of a chain call a parameter 'W'"):
        Chain((Dense(2, 2), Pointwise(LeakyRelu(0.0)), Dense(2, 2)))


@pytest.mark.parametrize("then", [Chain(), Chain((Dense(2, 2),))])
def test_two_branches_of_one_prefix_are_refused(then: Chain) -> None:
    branches = (
        Branch(0, Chain((Dense(2, 2),))),
        Branch(0, Chain((Dense(2, 2, biased=False),)), "" if not then.parts else "S"),
    )
    with pytest.raises(ValueError, match="a layer has two parameters called 'W'; give one of its branches a prefix"):
        Layer(branches, then)


def test_a_layer_reads_something() -> None:
    with pytest.raises(ValueError, match="a layer has no branches; give it one for each state that it reads"):
        Layer(())
