"""The keys by which runs that are finished are known again."""

import hashlib
from pathlib import Path

from pcsim.assemble import data_sha256, read_dataset
from pcsim.datasets import depends_on_seed
from pcsim.errors import UsageError
from pcsim.scenario import Scenario, scenario_text
from pcsim.trace.digest import sha256_of_file


def placeless(scenario: Scenario) -> Scenario:
    """Return a scenario that is the same wherever its files lie, and whatever its title says."""
    weights, data = scenario.network.weights, scenario.data.file
    network = scenario.network.model_copy(update={"weights": weights and Path("weights")})
    table = scenario.data.model_copy(update={"file": data and Path("data")})
    return scenario.model_copy(update={"title": "", "network": network, "data": table})


class Keys:
    """Keys of the runs of a study of one kind: digests of resolved scenario and data, 32 hexadecimal digits.

    They are the same wherever files lie, and whatever the title says.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._data: dict[str, str] = {}
        self._files: dict[Path, str] = {}

    def of(self, scenario: Scenario) -> str:
        """Return the key of a run."""
        weights = scenario.network.weights
        parts = [self._kind, scenario_text(placeless(scenario)), self._data_digest(scenario)]
        parts += [] if weights is None else [self._file_digest(weights)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def _data_digest(self, scenario: Scenario) -> str:
        """Return the digest of all samples, empty where they cannot be read: the run itself says why."""
        data, learns = scenario.data, scenario.learning is not None
        seed = (scenario.seed if data.seed is None else data.seed) if depends_on_seed(data.name) else 0
        asked = f"{data.model_dump_json(exclude={'seed'})} {seed} {learns}"
        if asked not in self._data:
            try:
                self._data[asked] = data_sha256(scenario, read_dataset(scenario))
            except (UsageError, MemoryError):
                return ""
        return self._data[asked]

    def _file_digest(self, path: Path) -> str:
        if path not in self._files:
            try:
                self._files[path] = sha256_of_file(path)
            except OSError:
                return ""
        return self._files[path]
