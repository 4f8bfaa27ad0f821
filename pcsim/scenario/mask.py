"""Masked samples: which units are hidden, and what does not go together with that."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from pcsim.scenario.fields import Allowed, Inconsistency, Table, clash
from pcsim.scenario.inference import InferenceTable

Half = Literal["top", "bottom", "left", "right", "file"]

MASK = Allowed(
    "one of " + ", ".join(Half.__args__) + ", or a table with a share between 0 and 1, as in { share = 0.5 }",
    Half.__args__,
)


class Masked(Table):
    """A share of the units, drawn once with the seed of the data, `mask = { share = 0.5 }`."""

    share: Annotated[
        float, Field(strict=True, gt=0, lt=1), Allowed("a number greater than 0 and less than 1, as in 0.5")
    ]
    """Share of the units that are hidden."""


def mask_problems(mask: "Half | Masked | None", task: str, inference: InferenceTable) -> Iterator[Inconsistency]:
    """Yield what of a mask, the `task` of the data and the ends of the network does not go together."""
    masked = [end for end in ("input", "output") if getattr(inference, end) == "masked"]
    if mask is not None and not masked:
        text = (
            'data.mask is not used where neither inference.input nor inference.output is "masked"; '
            f'write {"output" if task == "generative" else "input"} = "masked" in [inference], or remove it'
        )
        yield Inconsistency(("data.mask",), text)
    if masked and mask is None:
        text = f'inference.{masked[0]} = "masked" needs data.mask, as in mask = "bottom" or {{ share = 0.5 }}'
        yield Inconsistency((f"inference.{masked[0]}",), text)
    label = {"supervised": "output", "generative": "input"}.get(task)
    if label in masked:
        other = f'data.task = "{task}", whose {label} is no sample'
        yield clash(f'inference.{label} = "masked"', other, f'write {label} = "clamped" or "free"')
