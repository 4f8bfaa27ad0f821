"""From a trace to a weights file."""

from pathlib import Path

from pcsim.recorded import parameters_of, scenario_text_of
from pcsim.trace import Trace
from pcsim.weights import write_weights


def export_weights(trace: Trace, path: str | Path, *, force: bool = False) -> None:
    """Write the parameters in a trace, after training where there was any, to a `.npz` or `.safetensors` file.

    They have the type of the run (bfloat16 is float32 in `.npz`, which has no such type) and bring their scenario
    along. Raises `UsageError` for a trace without them or with entries that are not finite, for a file of another kind,
    and for one that exists, unless `force` is given; `RunFailed` where the disk takes no more.
    """
    write_weights(Path(path), parameters_of(trace), scenario_text_of(trace), force=force)
