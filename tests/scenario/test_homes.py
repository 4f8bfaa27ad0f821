"""Paths that begin with ~ where nobody knows that home, or there is none: one line, as of any file that is missing."""

from pathlib import Path

import pytest

from pcsim.datasets import load_dataset
from pcsim.errors import UsageError
from pcsim.runs.simulation import prepare
from pcsim.scenario import read_scenario
from tests.support.npz_files import OWN, write
from tests.support.scenario_files import Files

HOMES = ("~nouser/x", "~/x")


@pytest.fixture(autouse=True)
def _no_home(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    write()
    for name in ("HOME", "PCSIM_DATA", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, "/there/is/no/such/home")


@pytest.mark.parametrize("path", HOMES)
def test_a_scenario_and_what_it_extends(files: Files, path: str):
    with pytest.raises(UsageError, match=rf"^{path}\.toml: there is no such file"):
        read_scenario(f"{path}.toml")
    with pytest.raises(UsageError, match=rf's\.toml:1:1: extends = "{path}": there is no such file'):
        files.read(f'extends = "{path}"\n')


@pytest.mark.parametrize("path", HOMES)
@pytest.mark.parametrize("key", ["data.file", "network.weights"])
def test_files_that_it_names(files: Files, path: str, key: str):
    with pytest.raises(UsageError, match=rf"^--set {key}={path}: .*: no such file"):
        prepare(files.read(OWN, f"{key}={path}"))
    named = {"data.file": ('"own.npz"', f'"{path}"'), "network.weights": ("[data]", f'weights = "{path}"\n[data]')}
    with pytest.raises(UsageError, match=rf"s\.toml:\d+:1: {key}: .*: no such file"):
        prepare(files.read(OWN.replace(*named[key])))


@pytest.mark.parametrize("path", HOMES)
def test_folders_of_data(path: str, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UsageError, match="no such file"):
        load_dataset("npz", file=Path(path))
    monkeypatch.setenv("PCSIM_DATA", path)
    with pytest.raises(UsageError, match="data set 'mnist' not found: looked in "):
        load_dataset("mnist")
