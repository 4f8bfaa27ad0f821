"""The scripts of docs/extending.md, and scenarios that name what they register."""

import re
from typing import Any

from tests.support.places import ROOT

BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "extending.md").read_text(), re.DOTALL | re.MULTILINE)
SCENARIO: dict[str, Any] = {
    "seed": 3,
    "network": {
        "input": 64,
        "activation": "tanh",
        "layers": [{"dense": 6}, {"dense": 6}, {"dense": 10, "activation": "linear"}],
    },
    "data": {"name": "digits", "batch": 8, "samples": 96},
    "inference": {"method": "state", "loss": "squared-error", "steps": 4, "step_size": 0.1},
    "learning": {"epochs": 3, "batch": 32, "lr": 0.01},
}


def block_of(*words: str) -> str:
    """Return the script that has some words in quotes."""
    (found,) = (block for block in BLOCKS if all(f'"{word}"' in block for word in words))
    return found


def defined(name: str) -> None:
    """Define and register, without running what the script runs with it."""
    block = block_of(name)
    lines = block[: block.index("\n", block.index("pcsim.register("))]
    exec(compile(lines, f"docs/extending.md ({name})", "exec"), {"__name__": "script"})


def scenario_with(**changes: Any) -> dict[str, Any]:
    """Return the scenario with other words in its tables, and further ones of a layer between its first two."""
    found = {table: dict(words) if isinstance(words, dict) else words for table, words in SCENARIO.items()}
    if "between" in changes:
        first, *others = found["network"]["layers"]
        found["network"]["layers"] = [first, changes.pop("between"), *others]
    for table, words in changes.items():
        found[table] |= words
    return found
