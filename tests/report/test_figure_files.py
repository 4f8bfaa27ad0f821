"""Figures as files: what they may replace, and that nobody else's file is written to."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from matplotlib.figure import Figure

import pcsim
from pcsim.cli.call import call
from pcsim.errors import UsageError
from tests.support.covering import sampled
from tests.support.scenario_files import TEXT, Files


@pytest.fixture
def trace(files: Files) -> Path:
    pcsim.run(files.read(TEXT, "inference.steps=2"), path="t.h5").close()
    return Path("t.h5")


@pytest.mark.parametrize("ending", sampled(["png", "svg"], ["png"]))
@pytest.mark.usefixtures("trace")
def test_a_figure_is_drawn_again_over_one_of_pcsim(ending: str):
    path = Path(f"t.{ending}")
    assert call(["plot", "t.h5", "-o", str(path)]) == 0
    path.chmod(0o640)
    before = path.stat().st_ino
    assert call(["plot", "t.h5", "-o", str(path)]) == 0
    assert path.stat().st_ino != before
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in Path().iterdir()) == sorted(["s.toml", "t.h5", path.name])


@pytest.mark.usefixtures("trace")
def test_a_file_that_pcsim_did_not_draw_is_replaced_only_by_force(capsys: pytest.CaptureFixture[str]):
    Figure().savefig("t.png")
    theirs = Path("t.png").read_bytes()
    assert call(["plot", "t.h5"]) == 2
    assert (
        "t.png exists, and pcsim did not draw it; choose another name with -o or add --force" in capsys.readouterr().err
    )
    assert Path("t.png").read_bytes() == theirs
    with pcsim.open_trace("t.h5") as opened, pytest.raises(UsageError, match="pcsim did not draw it"):
        pcsim.plot([opened], "t.png")
    assert call(["plot", "t.h5", "--force"]) == 0
    assert Path("t.png").read_bytes() != theirs


@pytest.mark.usefixtures("trace")
def test_a_link_under_a_name_that_can_be_foreseen_is_not_written_through():
    Path("precious").write_text("mine")
    Path(".t.png.tmp").symlink_to("precious")
    assert call(["plot", "t.h5"]) == 0
    Path("u.png").symlink_to("precious")
    assert call(["plot", "t.h5", "-o", "u.png"]) == 2
    assert Path("precious").read_text() == "mine"


def test_a_foreign_file_of_hdf5_is_not_replaced_by_a_trace(files: Files, capsys: pytest.CaptureFixture[str]):
    scenario = files.read(TEXT, "inference.steps=2")
    with h5py.File("other.h5", "w") as file:
        file["mine"] = np.arange(3)
    theirs = Path("other.h5").read_bytes()
    assert call(["run", "s.toml", "-o", "other.h5", "--force"]) == 2
    assert "other.h5 is not a trace, and only traces are replaced" in capsys.readouterr().err
    assert Path("other.h5").read_bytes() == theirs
    pcsim.run(scenario, path="t.h5").close()
    pcsim.run(scenario, path="t.h5", force=True).close()
