"""What an installed package brings by its entry points, without an import until a run asks for it."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.own import block_of
from tests.support.scenario_files import TEXT

ENTRIES = "[pcsim.extensions]\nactivation.silu = own_package:silu\nactivation.broken = own_package:nothing\n"
OWN = TEXT.replace('"gelu"', '"silu"').replace("steps = 20", "steps = 2").replace("[64, 32, 32, 10]", "[64, 6, 10]")
SCRIPT = """
import sys
from pcsim.cli.call import call

assert call(["show", "s.toml"]) == 0
assert "own_package" not in sys.modules
assert call(["run", "s.toml"]) == call(["replay", "s.h5", "--verify"]) == 0
assert "own_package" in sys.modules
assert call(["show", "s.toml", "--set", "network.activation=sliu"]) == 2
assert call(["run", "s.toml", "--force", "--set", "network.activation=broken"]) == 2
"""


def test_words_of_a_package_are_known_and_imported_when_they_run(tmp_path: Path) -> None:
    metadata = tmp_path / "own_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: own-package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRIES)
    (tmp_path / "own_package.py").write_text(block_of("silu").partition("pcsim.register")[0] + "\nsilu = SiLU()\n")
    (tmp_path / "s.toml").write_text(OWN)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wrong, broken = done.stderr.splitlines()
    assert "did you mean 'silu'? Give one of linear, tanh, sigmoid, relu, leaky_relu, gelu, broken, silu" in wrong
    assert "network.activation=broken: activation 'broken': the entry point own_package:nothing cannot be" in broken
