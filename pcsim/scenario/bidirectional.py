"""What bidirectional predictive coding does not go with: all but dense chains with squared errors."""

from collections.abc import Iterator

from pcsim.scenario.fields import Inconsistency, clash
from pcsim.scenario.inference import InferenceTable
from pcsim.scenario.network import NetworkTable
from pcsim.scenario.toml_text import toml_value

_CHOICE = 'inference.method = "bidirectional"'


def bidirectional_problems(network: NetworkTable, inference: InferenceTable) -> Iterator[Inconsistency]:
    """Yield what in the two tables does not go with top-down predictions, for scenarios of that method alone."""
    if inference.method != "bidirectional":
        return
    if network.layers is not None or network.built is not None:
        other = "network.layers" if network.built is None else "network.built"
        yield clash(_CHOICE, f"{other}, whose layers have no mirror", "write widths, the dense chain")
    elif network.skip:
        yield clash(_CHOICE, f"network.skip = {network.skip}, which has no mirror", "write skip = false")
    if network.parametrisation != "standard":
        other = f'network.parametrisation = "{network.parametrisation}"'
        yield clash(_CHOICE, other, 'write parametrisation = "standard"')
    reasons = {
        "loss": ("squared-error", ", which is no error of the output's state"),
        "clamp": ("hard", ", which leaves the output's state to its prediction"),
    }
    for key, (needed, why) in reasons.items():
        value = getattr(inference, key)
        if value != needed:
            yield clash(_CHOICE, f"{key} = {toml_value(value)}{why}", f'write {key} = "{needed}"')
    if inference.output == "masked":
        other = 'output = "masked", of which nothing is predicted from above'
        yield clash(_CHOICE, other, 'write output = "clamped" or "free"')
