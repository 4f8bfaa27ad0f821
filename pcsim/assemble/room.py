"""Whether what a scenario asks for can be in memory at all, said by its key before anything is made."""

from pcsim.errors import UsageError
from pcsim.resources import memory_bytes
from pcsim.scenario import Scenario

_FLOAT64 = 8


def require_memory(scenario: Scenario, key: str, numbers: int, what: str, each: int = 1) -> None:
    """Raise `UsageError` at a key for more float64 numbers than this machine's memory holds.

    `what` names them; the line says how many, in units of `each`, are allowed.
    """
    memory = memory_bytes()
    if numbers * _FLOAT64 > memory:
        most = memory // (_FLOAT64 * each)
        raise UsageError(
            f"{scenario.where(key)}: {what} take {numbers * _FLOAT64 / 1e9:,.1f} GB in float64, this machine has "
            f"{memory / 1e9:,.1f} GB; at most {most:,} are allowed here"
        )
