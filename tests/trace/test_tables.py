"""Traces as tables of other packages, and as text."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.errors import UsageError
from tests.support.scenario_files import TEXT, Files
from tests.support.training_files import TRAINING, only_line

xarray = pytest.importorskip("xarray", reason="needs xarray")
SHORT = TEXT.replace("steps = 20", "steps = 3")


def test_in_memory_and_in_a_file_xarray_sees_the_same(files: Files):
    text = SHORT + '\n[trace]\nrecord = ["energy", "grad_norm", "states", "energy_per_sample"]\n'
    with pcsim.run(files.read(text)) as memory, pcsim.run(files.read(text), path="s.h5") as trace:
        found = memory.to_xarray()
        xarray.testing.assert_equal(found, trace.to_xarray())
        assert found.energy.dims == ("step", "layer")
        assert found.energy_per_sample.dims == ("step", "layer", "sample")
        assert found.layer_name.values.tolist() == ["layer 0", "layer 1", "output"]
        assert found.attrs["method"] == "state"
        assert memory.to_xarray("states").layer_0.dims == ("step", "sample", "unit_0")
        with pytest.raises(UsageError, match=r"holds no group nothing$"):
            memory.to_xarray("nothing")
    with xarray.open_dataset("s.h5", engine="h5netcdf") as opened:
        for name in ("step", "layer", "energy", "grad_norm", "arrival_step", "layer_width"):
            np.testing.assert_array_equal(found[name], opened[name])


def test_frames_of_inference_and_training(files: Files):
    with pcsim.run(files.read(TRAINING)) as trace:
        frame = trace.to_dataframe()
        assert (frame.index.name, frame["energy"].columns.tolist()) == ("step", ["layer 0", "output"])
        np.testing.assert_array_equal(frame["energy"], trace.energy)
        epochs, updates = trace.training.to_dataframe(), trace.training.to_dataframe("update")
        assert epochs["test_loss"].tolist() == trace.training["test_loss"].tolist()
        np.testing.assert_array_equal(epochs["cosine"], trace.training["cosine"])
        np.testing.assert_array_equal(updates["energy"], trace.training["energy"])
        assert len(updates) == 88


def test_what_is_not_there_is_said(files: Files, monkeypatch: pytest.MonkeyPatch):
    study = pcsim.run(files.read(SHORT + "\n[sweep]\nseed = [0, 1]\n"))
    with study, pytest.raises(UsageError, match=r"is of a study, without rows of inference"):
        study.to_dataframe()
    with pcsim.run(files.read(SHORT)) as trace:
        monkeypatch.setitem(sys.modules, "pandas", None)
        with pytest.raises(UsageError, match=r"needs pandas, which is missing; .* 'pcsim\[notebook\]'$"):
            trace.to_dataframe()
    with pytest.raises(UsageError, match=r"is closed; it was in memory only"):
        trace.to_xarray()


def test_rows_are_exported_as_text(files: Files, capsys: pytest.CaptureFixture[str]):
    with pcsim.run(files.read(TRAINING), path="s.h5") as trace:
        energy, losses = trace.energy, trace.training["test_loss"]
    capsys.readouterr()
    assert call(["export", "s.h5", "--csv"]) == 0
    names = [Path(line.removeprefix("rows: ")).name for line in capsys.readouterr().out.splitlines()]
    assert names == ["s-step.csv", "s-update.csv", "s-epoch.csv"]
    with Path("s-step.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head[:3] == ["step", "energy layer 0", "energy output"]
    np.testing.assert_array_equal(np.array(rows, dtype=float)[:, 1:3], energy)
    with Path("s-epoch.csv").open(newline="") as file:
        assert [float(row["test_loss"]) for row in csv.DictReader(file)] == losses.tolist()
    assert "s-step.csv exists" in only_line(capsys, ["export", "s.h5", "--csv"], code=2)
    assert only_line(capsys, ["export", "s.h5", "--csv", "-o", "x.npz"], code=2).startswith("x.npz: rows are written")
    assert "or write the rows with --csv" in only_line(capsys, ["export", "s.h5"], code=2)
