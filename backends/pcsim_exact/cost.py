"""How long a run in ball arithmetic takes, counted before it starts."""

from math import prod

from pcsim.engine.backend import Task
from pcsim.errors import UsageError
from pcsim.model.activations import Gelu, LeakyRelu, Linear
from pcsim.model.network import Network
from pcsim_exact.number.precision import planned_steps

LONGEST_SECONDS = 6 * 3600.0

_UNITS_OF_TIME = (("seconds", 1.0), ("minutes", 60.0), ("hours", 3600.0), ("days", 86400.0), ("years", 31557600.0))


def estimated_seconds(task: Task, working: int) -> float:
    """Return about how many seconds a run takes at a working precision: forward and pullback of all layers a step."""
    network = task.inference.energy.network
    products = 2.0 * network.multiplications
    # Fitted to python-flint 0.9 between 256 and 65536 bits.
    seconds = products * (20e-9 + working / 60 * 1e-9) + _elementwise_seconds(network, working)
    return seconds * task.x.shape[0] * planned_steps(task)


def refusal(task: Task, working: int) -> str | None:
    """Return a line that names the estimate if a run would take longer than `LONGEST_SECONDS`."""
    seconds = estimated_seconds(task, working)
    if seconds <= LONGEST_SECONDS:
        return None
    return (
        f"the exact backend would take about {duration(seconds)}: {planned_steps(task)} steps of "
        f"{task.x.shape[0]} samples need about {working} bits of working precision; "
        f"use fewer steps, a smaller batch or fewer layers"
    )


def refuse_if_too_long(task: Task, working: int) -> None:
    """Raise `UsageError` if a run would take longer than `LONGEST_SECONDS`."""
    line = refusal(task, working)
    if line is not None:
        raise UsageError(line)


def duration(seconds: float) -> str:
    """Return a length of time in its natural unit, e.g. "3 days"."""
    name, unit = next((u for u in reversed(_UNITS_OF_TIME) if seconds >= 1.5 * u[1]), _UNITS_OF_TIME[0])
    return f"{seconds / unit:,.0f} {name}"


def _elementwise_seconds(network: Network, working: int) -> float:
    complementary_error_function = 3e-6 + 13e-6 * (working / 1000) ** 1.75
    total = 0.0
    for layer, shape in zip(network.layers, network.layer_shapes, strict=True):
        curved = [each for each in layer.activations if not isinstance(each, Linear | LeakyRelu)]
        share = sum(1.15 if isinstance(each, Gelu) else 0.15 for each in curved)
        total += prod(shape) * (5e-6 + share * complementary_error_function)
    return total
