"""How a run rounds: what a scenario may ask of a narrow format beyond its name."""

from dataclasses import dataclass

from pcsim.errors import UsageError, did_you_mean

NARROW = ("float16", "bfloat16")
ROUNDINGS = ("nearest", "stochastic")
ACCUMULATORS = ("float32", *NARROW)


@dataclass(frozen=True)
class Arithmetic:
    """How results in float16 and bfloat16 are rounded; runs in any other precision take the defaults."""

    rounding: str = "nearest"
    """The law results are rounded by: nearest (ties to even) or stochastic."""
    accumulate: str = "float32"
    """The format that products and sums are accumulated in: float32, float16 or bfloat16."""
    seed: int = 0
    """The seed of stochastic rounding."""


def check_arithmetic(precision: str, arithmetic: Arithmetic) -> None:
    """Raise `UsageError` for an unknown word, or for one that this precision has no use for."""
    for key, value, default, allowed in (
        ("rounding", arithmetic.rounding, "nearest", ROUNDINGS),
        ("accumulate", arithmetic.accumulate, "float32", ACCUMULATORS),
    ):
        if value not in allowed:
            raise UsageError(
                f'inference.{key} = "{value}" is not allowed; give one of {", ".join(allowed)}'
                f"{did_you_mean(value, list(allowed))}"
            )
        if value != default and precision not in NARROW:
            raise UsageError(
                f'inference.{key} = "{value}" is for the precisions {" and ".join(NARROW)}, not {precision}; '
                f'set backend.precision to one of them or inference.{key} = "{default}"'
            )
