"""Names that promise another format are refused before anything starts."""

from pathlib import Path

import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.errors import UsageError
from tests.support.scenario_files import TEXT, Files

STUDY = "\n[sweep]\nseed = [0, 1]\n[study]\nkind = 'energies'\n"
LEARNING = "\n[learning]\nseeds = [0, 1]\nepochs = 1\n"


@pytest.mark.parametrize("text", [TEXT, TEXT + STUDY, TEXT + LEARNING], ids=["run", "study", "seeds"])
@pytest.mark.parametrize("name", ["x.npz", "x.CSV", "figure.pdf"])
def test_traces_are_hdf5(text: str, name: str, files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.write(text)
    assert call(["run", "s.toml", "-o", name]) == 2
    assert "a trace is an HDF5 file; name it" in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["s.toml"]


@pytest.mark.parametrize("name", ["x", "lr-0.05", "x.nc", "x.v2"])
def test_other_dots_are_the_users_own(name: str, files: Files) -> None:
    pcsim.run(files.read(TEXT, "inference.steps=1"), path=name).close()
    assert Path(name).is_file()


def test_a_comparison_goes_into_a_folder(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = files.read(TEXT)
    assert call(["compare", "s.toml", "-o", "c.h5"]) == 2
    assert "c.h5: traces and figure go into a folder; name one, such as c" in capsys.readouterr().err
    with pytest.raises(UsageError, match="go into a folder"):
        pcsim.compare(scenario, folder="c.h5")
    assert not Path("c.h5").exists()
