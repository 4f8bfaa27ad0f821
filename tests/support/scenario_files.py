"""A small valid scenario file, and ways to change it, for the tests of reading."""

from pathlib import Path

import pytest

from pcsim.errors import ScenarioError
from pcsim.scenario import Scenario, read_scenario

TEXT = """\
title = "A small one"
seed = 3

[network]
widths = [64, 32, 32, 10]
activation = "gelu"

[data]
name = "digits"
batch = 16

[inference]
method = "state"
form = "standard"
loss = "cross-entropy"
steps = 20
step_size = 0.1
"""


class Files:
    """Scenario files in a folder that is also the current one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, text: str, name: str = "s.toml") -> Path:
        """Write a file and return its name as a user would type it."""
        (self.folder / name).write_text(text, encoding="utf-8")
        return Path(name)

    def read(self, text: str, *overrides: str) -> Scenario:
        """Read a text as the file s.toml."""
        return read_scenario(self.write(text), overrides)

    def problems(self, text: str, *overrides: str) -> list[str]:
        """Return the lines of the error that reading a text ends in."""
        with pytest.raises(ScenarioError) as caught:
            self.read(text, *overrides)
        return caught.value.problems


def changed(old: str, new: str) -> str:
    """Return the small scenario with one passage replaced."""
    assert old in TEXT
    return TEXT.replace(old, new)
