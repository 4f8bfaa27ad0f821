"""What a trace holds of a network and of where its inference ended, checked, whatever program wrote it."""

from pcsim.recorded.network import (
    called,
    check_parameters,
    fitting,
    parameters_of,
    precision_of,
    require_run,
    scenario_text_of,
)
from pcsim.recorded.point import RecordedPoint, read_point

__all__ = [
    "RecordedPoint",
    "called",
    "check_parameters",
    "fitting",
    "parameters_of",
    "precision_of",
    "read_point",
    "require_run",
    "scenario_text_of",
]
