"""The words of a stop rule: what ends inference before its last step or time."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import model_validator

from pcsim.scenario.fields import Allowed, Flag, Inconsistency, Positive, Table, clash, require_consistent


class Stop(Table):
    """When to stop before the end, `stop = { grad_norm = 1e-6 }`: as soon as all that is given holds."""

    grad_norm: Annotated[Positive | None, Allowed("a number greater than 0")] = None
    """In every sample the norm of the gradient over all moving variables is at most this."""
    relative_change: Annotated[Positive | None, Allowed("a number greater than 0")] = None
    """In every sample the energy of every layer has changed by at most this times itself in the last step."""
    arrival: Flag = False
    """A signal has reached every layer."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.grad_norm is None and not self.of_steps:
            text = "inference.stop says nothing; give grad_norm, relative_change or arrival = true in it"
            require_consistent([Inconsistency(("inference.stop",), text)])
        return self

    @property
    def of_steps(self) -> tuple[str, ...]:
        """The parts that speak of single steps."""
        given = {"relative_change": self.relative_change is not None, "arrival": self.arrival}
        return tuple(word for word, is_given in given.items() if is_given)


def single_steps_problems(stop: Stop | None, choice: str, reasons: Mapping[str, str]) -> list[Inconsistency]:
    """Return what in a stop rule speaks of single steps, beside a `choice` of another key where these say nothing."""
    return [
        clash(f"inference.stop.{word}", f"{choice}: {reasons[word]}", "give grad_norm instead")
        for word in (stop.of_steps if stop is not None else ())
    ]
