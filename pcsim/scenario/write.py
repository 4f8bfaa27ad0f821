"""A scenario back to text: every default and override resolved, in a form that can be read again."""

from pathlib import Path
from typing import Any

from pcsim.scenario.model import Scenario
from pcsim.scenario.relevance import unused_keys
from pcsim.scenario.toml_text import toml_key, toml_line


def scenario_text(scenario: Scenario, *, relative: bool = False, listed: bool = True) -> str:
    """Return a scenario as TOML, with all defaults, without the keys its choices make no use of.

    Files are named by absolute paths, and the text can be read from anywhere; where `relative` paths are wanted, those
    that a scenario file names from its folder are, as `scenario.reading` has them. Layers of a named architecture are
    `listed`, unless its words are wanted, or a sweep or search changes the network.
    """
    named = None if listed and not _varies_network(scenario) else scenario.reading.architecture
    unused, kept = unused_keys(scenario), scenario.reading.relative if relative else {}
    lines: list[str] = []
    for table, content in scenario.model_dump().items():
        if content is None:
            continue
        if not isinstance(content, dict):
            lines.append(toml_line(table, content))
            continue
        lines += ["", f"[{table}]"]
        if table == "network" and named is not None:
            lines += [toml_line(key, value) for key, value in named.items()]
            unused.add("network.layers")
        for key, value in content.items():
            if value is not None and f"{table}.{key}" not in unused:
                written = kept.get(f"{table}.{key}", value)
                lines.append(toml_line(toml_key(key), _as_written(f"{table}.{key}", written, unused)))
    return "\n".join(lines) + "\n"


def _varies_network(scenario: Scenario) -> bool:
    keys = [*(scenario.sweep or ()), *(scenario.search.space if scenario.search is not None else ())]
    return any(key.partition(".")[0] == "network" for key in keys)


def _as_written(key: str, value: Any, unused: set[str]) -> Any:
    if isinstance(value, dict):
        return {name: item for name, item in value.items() if item is not None and f"{key}.{name}" not in unused}
    if isinstance(value, Path):
        return str(value)
    # 0 means none, 1 the layer before or a decay without a number of its own: files say so by name
    return bool(value) if key in ("network.skip", "inference.step_decay") and value in (0, 1) else value
