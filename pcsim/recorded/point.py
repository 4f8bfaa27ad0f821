"""Where an inference run ended, as its trace holds it: input, target, states and errors."""

from dataclasses import dataclass

import numpy as np

from pcsim.errors import UsageError
from pcsim.model.network import Network
from pcsim.recorded.network import (
    called,
    check_layers,
    check_parameters,
    checked,
    fitting,
    in_type_of_run,
    parameters_of,
)
from pcsim.trace import Trace
from pcsim.typing import NDArray

Host = NDArray[np.float64]


@dataclass(frozen=True)
class RecordedPoint:
    """The arrays of the end of inference in float64; parameters, input and target as the type of the run holds them.

    `states` are the free ones, (batch, *units) for layers 0 … N−2; `errors` those of all N layers.
    """

    parameters: tuple[dict[str, Host], ...]
    x: Host
    y: Host
    states: tuple[Host, ...]
    errors: tuple[Host, ...]


def read_point(trace: Trace, network: Network) -> RecordedPoint:
    """Return where the inference in a trace ended.

    Raises `UsageError`, naming the array, where a run has not ended or not got as far, and for arrays that are missing,
    do not fit the network or the batch, or have entries that are no finite numbers.
    """
    if trace.status == "running":
        raise UsageError(
            f"{called(trace)} is still being written, or its writer was killed (status running): its inference has "
            "not ended, and there are no final states and errors"
        )
    check_layers(trace, network)
    free = len(network.layers) - 1
    names = [*(f"final/states/layer_{i}" for i in range(free)), *(f"final/errors/layer_{i}" for i in range(free + 1))]
    missing = [name for name in ("data/x", "data/y", *names) if name not in trace]
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UsageError(
            f"{called(trace)} (status {trace.status}) holds no {missing[0]}{others}; needed are /data/x, /data/y and "
            "final states and errors of every layer, as a run leaves them that comes to its end"
        )
    parameters = check_parameters(trace, network, parameters_of(trace))
    batch = trace.array("data/x").shape[:1]
    if batch in ((), (0,)):
        raise UsageError(f"{called(trace)}: data/x holds no samples")
    # Of a free input /data/x is only where it started.
    source = "final/input" if "final/input" in trace else "data/x"
    x, y = (
        in_type_of_run(trace, path, _read(trace, path, (*batch, *shape))).astype(np.float64)
        for path, shape in ((source, network.input_shape), ("data/y", network.layer_shapes[-1]))
    )
    shapes = [(*batch, *shape) for shape in (*network.state_shapes, *network.layer_shapes)]
    arrays = [_read(trace, name, shape) for name, shape in zip(names, shapes, strict=True)]
    return RecordedPoint(parameters, x, y, tuple(arrays[:free]), tuple(arrays[free:]))


def _read(trace: Trace, path: str, shape: tuple[int, ...]) -> Host:
    return checked(trace, path, fitting(trace, path, trace.array(path), shape)).astype(np.float64)
