"""The network in a trace: the scenario that describes it, and its parameters in the type of the run."""

from typing import Any

import numpy as np

from pcsim.datasets import require_range
from pcsim.errors import UsageError, did_you_mean
from pcsim.model.arithmetic import FORMATS, dtype_of, is_exact
from pcsim.model.network import AMORTISER, Network
from pcsim.model.top_down import TOP_DOWN
from pcsim.trace import Trace
from pcsim.trace.training import GROUP
from pcsim.typing import NDArray


def scenario_text_of(trace: Trace) -> str:
    """Return the resolved scenario; `UsageError` where there is none."""
    require_run(trace)
    text = trace.provenance.get("scenario") if "provenance" in trace else None
    if text is None:
        raise UsageError(
            f"{called(trace)} has no attribute scenario in /provenance; write the text that pcsim show SCENARIO prints"
        )
    return text


def precision_of(trace: Trace) -> str:
    """Return the precision of the run; `UsageError` where it is missing or none that is known."""
    allowed = [*FORMATS, "exact"]
    word = trace.attributes.get("precision")
    if word is None:
        raise UsageError(f"{called(trace)} has no attribute precision; write one of {', '.join(allowed)}")
    if word not in allowed and not is_exact(str(word)):
        hint = did_you_mean(str(word), allowed)
        raise UsageError(f"{called(trace)}: precision '{word}' is not known; it is one of {', '.join(allowed)}{hint}")
    return str(word)


def parameters_of(trace: Trace) -> dict[str, NDArray[Any]]:
    """Return the parameters that inference started from, `W_0`, `b_0`, …, in the type of the run.

    Where the trace is of training they are those after it. Raises `UsageError` where the trace has none, or entries
    that are no finite numbers, and where no precision is known.
    """
    require_run(trace)
    group = f"final/{_BEFORE}" if f"final/{_BEFORE}" in trace or GROUP in trace else _BEFORE
    found = trace.trained if group != _BEFORE else trace.network
    if not found:
        if group == _BEFORE:
            raise trace.lacks(f"{group}/W_0")
        raise UsageError(
            f"{called(trace)} (status {trace.status}) holds no {group}/W_0; training has not ended: go on with pcsim "
            "run … --resume"
        )
    return {name: in_type_of_run(trace, f"{group}/{name}", array) for name, array in found.items()}


def require_run(trace: Trace) -> None:
    """Raise `UsageError` for the trace of a study, which holds no single run."""
    if "study" in trace.attributes:
        raise UsageError(
            f"{called(trace)} holds the study {trace.attributes['study']} and no single run; make one of a scenario "
            "without [sweep] and [study], or draw this with pcsim plot"
        )


def check_parameters(
    trace: Trace, network: Network, given: dict[str, NDArray[Any]]
) -> tuple[dict[str, NDArray[np.float64]], ...]:
    """Return parameters by layer in float64; `UsageError` unless they are those of the network, in name and shape."""
    check_layers(trace, network)
    layers: list[dict[str, NDArray[np.float64]]] = [{} for _ in network.layers]
    expected = {f"{name}_{i}" for name, i, _ in network.parameter_names}
    # An amortiser is left behind where inference starts without, and so are top-down predictions.
    missing = [*(() if network.amortiser else (AMORTISER,)), *(() if network.top_down else (TOP_DOWN,))]
    left = {name for prefix in missing for name in given if name.startswith((f"{prefix}W_", f"{prefix}b_"))}
    for name in sorted(given.keys() - expected - left):
        raise UsageError(
            f"{called(trace)}: {name} has no place in the network of its scenario, which has "
            f"{len(network.layers)} layers; fit network.widths or network.bias, or leave the array out"
        )
    for name, i, shape in network.parameter_names:
        key = f"{name}_{i}"
        if key not in given:
            raise UsageError(f"{called(trace)} holds no {key} of shape {shape}, which its scenario's network needs")
        layers[i][name] = fitting(trace, key, given[key], shape).astype(np.float64)
    return tuple(layers)


def check_layers(trace: Trace, network: Network) -> None:
    """Raise `UsageError` unless a trace has as many layers as the network of its scenario."""
    if len(trace.layer_names) != len(network.layers):
        raise UsageError(
            f"{called(trace)}: layer_name has {len(trace.layer_names)} names, its scenario's network has "
            f"{len(network.layers)} layers; fit network.widths"
        )


def fitting(trace: Trace, path: str, array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return an array; `UsageError` unless it has the shape that the scenario asks for."""
    if array.shape != shape:
        turned = "; transpose it" if array.shape == shape[::-1] else ""
        raise UsageError(f"{called(trace)}: {path} has shape {array.shape}, the network and batch need {shape}{turned}")
    return array


def checked(trace: Trace, path: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return an array; `UsageError` unless all its entries are finite real numbers."""
    if array.dtype.kind not in "fiu":
        raise UsageError(f"{called(trace)}: {path} holds {array.dtype}, expected real numbers")
    bad = int(np.count_nonzero(~np.isfinite(array)))
    if bad:
        raise UsageError(
            f"{called(trace)}: {path} has {bad} NaN or infinite {'entry' if bad == 1 else 'entries'} of {array.size}"
        )
    return array


def in_type_of_run(trace: Trace, path: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return an array in the type of the run; `UsageError` unless its entries are finite real numbers there."""
    precision = precision_of(trace)
    require_range(checked(trace, path, array), precision, f"{called(trace)}: {path}", "row")
    return array.astype(dtype_of(precision))


def called(trace: Trace) -> str:
    """Return what messages call a trace."""
    return "the trace" if trace.path is None else str(trace.path)


_BEFORE = "network"
