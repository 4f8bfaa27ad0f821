"""What cannot be asked of a network whose samples see each other."""

from pcsim.errors import UsageError
from pcsim.model.network import Network
from pcsim.model.statistics import couples_samples
from pcsim.scenario import Scenario


def require_independent_samples(scenario: Scenario, network: Network) -> None:
    """Raise `UsageError` where norms are live and something else needs samples that evolve each on its own."""
    if not couples_samples(network):
        return
    table = scenario.inference
    asked = {
        "inference.form": table.form == "increment",
        "inference.method": table.method == "equilibrium",
        "inference.solver": table.solver is not None,
        "inference.step_halving": table.step_halving,
        "inference.step_size": table.step_size == "auto",
        "inference.input": table.input != "clamped",
    }
    key = next((key for key, present in asked.items() if present), None)
    if key is not None:
        value = getattr(table, key.rpartition(".")[2])
        shown = "true" if value is True else f'"{value}"'
        raise UsageError(
            f'{scenario.where(key)}: statistics = "live" of a norm couple the samples of a batch, and {key} = {shown} '
            f'needs samples that evolve each on its own; write statistics = "held", or another {key}'
        )
