"""The package as a module is the command line."""

import os
import subprocess
import sys

from pcsim.version import __version__
from tests.support.places import ROOT


def test_the_package_runs_as_a_module() -> None:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'backends'}"}
    command = [sys.executable, "-m", "pcsim"]
    version = subprocess.run([*command, "--version"], env=environment, capture_output=True, text=True, check=True)
    assert version.stdout == f"pcsim, version {__version__}\n"
    mistake = subprocess.run([*command, "rum"], env=environment, capture_output=True, text=True, check=False)
    assert mistake.returncode == 2
    assert mistake.stderr.startswith("error: there is no command 'rum'; did you mean 'run'?")
