"""The words of `data.scaling`: how pixels become the numbers that a network sees."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pcsim.scenario.fields import Allowed, Number, Positive, Table

ScalingWord = Literal["symmetric", "unit", "standard"]
SCALING = Allowed(
    "one of " + ", ".join(ScalingWord.__args__) + ", or a table with a mean and a deviation above 0 for every channel, "
    "as in { mean = [0.5, 0.5, 0.5], std = [0.25, 0.25, 0.25] }",
    ScalingWord.__args__,
)


class ChannelScaling(Table):
    """Pixels on [0, 1] become (x − mean)/std, channel by channel, `scaling = { mean = [0.5], std = [0.5] }`."""

    mean: Annotated[tuple[Number, ...], Field(min_length=1), Allowed("a list of numbers, one a channel")]
    """What is subtracted, one number a channel."""
    std: Annotated[
        tuple[Positive, ...], Field(min_length=1), Allowed("a list of numbers greater than 0, one a channel")
    ]
    """What is divided by then, one number a channel."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.mean) != len(self.std):
            raise ValueError
        return self
