"""The scenario that a trace or a weights file brings along, and whether the data it names are still those of the run.

Such a file may come from anywhere. What its text names is read only after that was told, and only the data of a digest
that the file holds, too, are taken for those of the run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pcsim.assemble import data_sha256, read_dataset, require_known
from pcsim.datasets import Dataset
from pcsim.errors import UsageError
from pcsim.extensions import import_allowed
from pcsim.model.network import Network
from pcsim.recorded.network import called, scenario_text_of
from pcsim.scenario import GivenNetwork, Scenario, network_of, parse_scenario
from pcsim.trace import Trace
from pcsim.trace.digest import shortened
from pcsim.weights import embedded_texts

Tell = Callable[[str], None]
"""Tells a user a line, at once."""


def silently(line: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Embedded:
    """The text of a scenario inside a file, and what was put beside it: digests, and where its relative paths started.

    `path` is the file, None for a trace in memory, `name` what messages call it.
    """

    text: str
    name: str
    path: Path | None
    beside: Mapping[str, str]
    allow: tuple[str, ...] = ()
    """Modules that may be imported for it: a file does not choose what runs here."""
    network: Network | None = None
    """In the place of what the scenario says of its layers."""

    def parse(
        self,
        overrides: Sequence[str] = (),
        *,
        backend: str | None = None,
        precision: str | None = None,
        runs: bool = True,
    ) -> Scenario:
        """Return the scenario; relative paths start from the folder they started from, or else from the file's own.

        Raises `UsageError` for a text that cannot be read, for one that wants to read others, and, where it `runs`, for
        one that names what nobody has registered here.
        """

        def read(folder: Path | None) -> Scenario:
            found = parse_scenario(
                self.text, folder, overrides, backend=backend, precision=precision, name=self._label, allow=self.allow
            )
            return found.with_network(self.network)

        own = None if self.path is None else self.path.parent
        given = self.beside.get("folder")
        found = read(Path(given) if given else own)
        if runs:
            require_known(found, self.beside.get("extensions", ""))
        if given and own is not None and found.data.file is not None and not found.data.file.exists():
            moved = read(own)
            return moved if moved.data.file is not None and moved.data.file.exists() else found
        return found

    def data(self, scenario: Scenario, *, chosen: bool, tell: Tell) -> Dataset:
        """Read the data of a scenario, which are the user's own choice or named inside this file alone.

        Raises `UsageError` where they cannot be read, and for those that are named here and are not those of the run.
        """
        where, known = scenario.data.file, self.beside.get("data_sha256")
        if where is not None and not chosen:
            tell(f"reading data.file = {where}, which {self.name} names")
            if known is None:
                tell(f"{self.name} holds no digest of its data: that these are the same cannot be said")
        dataset = read_dataset(scenario)
        found = data_sha256(scenario, dataset)
        if known is None or found == known:
            return dataset
        differ = f"SHA-256 {shortened(known)} there, {shortened(found)} here"
        if where is not None and not chosen:
            raise UsageError(
                f"{self._label}: data.file = {where} holds other data than the run read ({differ}); bring those back, "
                "or name these in the call"
            )
        tell(f"these are other data than those of {self.name} ({differ})")
        return dataset

    def change(self, tell: Tell) -> str | None:
        """Return a sentence where the data of the run were read from a file that now holds others, or none."""
        known = self.beside.get("data_sha256")
        scenario = self.parse()
        where = scenario.data.file
        if known is None or where is None:
            return None
        tell(f"reading data.file = {where}, which {self.name} names")
        try:
            found = data_sha256(scenario, read_dataset(scenario))
        except UsageError as error:
            return f"the samples are those in {self.name}; their file cannot be read: {error}"
        differ = f"SHA-256 {shortened(known)} there, {shortened(found)} here"
        return None if found == known else f"the samples are those in {self.name}; {where} now holds others ({differ})"

    @property
    def _label(self) -> str:
        return f"scenario in {self.name}"


def of_trace(
    trace: Trace, *, needed: bool = True, allow: str | Sequence[str] = (), network: GivenNetwork | None = None
) -> Embedded:
    """Return what a trace brings along; `UsageError` where it has no scenario and one is `needed`.

    The modules in `allow` are imported at once.
    """
    text = scenario_text_of(trace) if needed else ""
    beside = trace.provenance if "provenance" in trace else {}
    built = None if network is None else network_of(network)
    return Embedded(text, called(trace), trace.path, beside, import_allowed(allow), built)


def of_weights(path: Path, *, needed: bool = True, allow: str | Sequence[str] = ()) -> Embedded:
    """Return what a weights file brings along, as `of_trace` does."""
    texts = embedded_texts(path)
    if needed and "scenario" not in texts:
        raise UsageError(f"{path}: holds no scenario, only weights; name the scenario they are of with --scenario")
    return Embedded(texts.get("scenario", ""), str(path), path, texts, import_allowed(allow))
