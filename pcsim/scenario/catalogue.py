"""The scenarios that ship."""

from pcsim.scenario.sources import read_source, shipped


def list_scenarios() -> list[tuple[str, str]]:
    """Return name and title of each scenario that ships, by name."""
    return [(name, str(read_source(path).values.get("title", ""))) for name, path in shipped().items()]
