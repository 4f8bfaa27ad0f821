"""Samples that were looked at one by one, put together as a batch."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pcsim.inference.observables import Observation
from pcsim.typing import NDArray


def join_observations(seen: Sequence[Observation]) -> Observation:
    """Return the observation of all samples, in order."""
    first = seen[0]
    return Observation(
        np.concatenate([s.layerwise for s in seen], axis=1),
        tuple(np.any(layer) for layer in zip(*(s.present for s in seen), strict=True)),
        None if first.norms is None else np.concatenate([np.asarray(s.norms) for s in seen], axis=1),
        None if first.states is None else _joined([s.states for s in seen]),
        None if first.errors is None else _joined([s.errors for s in seen]),
    )


def join_finals(
    finals: Sequence[dict[str, Any]], to_run: Callable[[NDArray[np.float64]], NDArray[Any]]
) -> dict[str, Any]:
    """Return the arrays of `Settled` for all samples in the type of the run; weight gradients are batch means."""
    gradients = [f["gradient"] for f in finals]
    return {
        "states": tuple(map(to_run, _joined([f["states"] for f in finals]))),
        "errors": tuple(map(to_run, _joined([f["errors"] for f in finals]))),
        "output": to_run(np.concatenate([f["output"] for f in finals])),
        "gradient": None
        if gradients[0] is None
        else tuple(
            {name: to_run(np.mean([layer[name] for layer in layers], axis=0)) for name in layers[0]}
            for layers in zip(*gradients, strict=True)
        ),
    }


def _joined(parts: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(np.concatenate(layer) for layer in zip(*parts, strict=True))
