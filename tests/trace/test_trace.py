"""Traces written and read back: the promised layout, in memory and on disk, and through xarray."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from pcsim.trace import Trace, TraceWriter, open_trace
from tests.support.trace_samples import (
    ALL,
    ATTRIBUTES,
    DATA,
    NETWORK,
    PROVENANCE,
    SAMPLES,
    UNITS,
    beginning,
    block,
    create,
    described,
    final,
    layout,
)


def finished(path: Path | None, record: frozenset[str] = ALL, rows: int = 9) -> Trace:
    writer = create(path, layout(record))
    for start in range(0, rows, 4):
        writer.append(block(start, min(4, rows - start), record))
    return writer.finish("complete", {"inference_seconds": 0.25, "compile_seconds": 0.0}, final())


@pytest.fixture(params=["disk", "memory"])
def trace(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    with finished(tmp_path / "run.h5" if request.param == "disk" else None) as made:
        yield made


def test_what_was_written_is_read_back(trace: Trace) -> None:
    steps = np.arange(9)
    assert trace.clock == "step"
    np.testing.assert_array_equal(trace.steps, steps)
    for values in (trace.energy, trace.grad_norm, trace.errors(2)[:, 0, :]):
        np.testing.assert_array_equal(values, np.repeat(steps[:, None], 3, axis=1))
    assert trace.energy.dtype == np.float64
    assert trace.energy_per_sample is not None
    assert trace.energy_per_sample.shape == (9, 3, SAMPLES)
    assert trace.states(1).shape == (9, SAMPLES, 5)
    assert trace.states(1).dtype == np.float32
    np.testing.assert_array_equal(trace.states(0, slice(3, 5))[:, 0, 0], [3, 4])
    assert trace.layer_names == ("layer 0", "layer 1", "output")
    assert trace.layer_widths == (5, 5, 3)


def test_the_end_of_the_run_is_read_back(trace: Trace) -> None:
    wanted = final()
    np.testing.assert_array_equal(trace.arrival_steps, [2, 1, 0])
    np.testing.assert_array_equal(trace.final_output, wanted["final/output"])
    assert [s.shape for s in trace.final_states] == [(SAMPLES, 5), (SAMPLES, 5)]
    assert [e.shape for e in trace.final_errors] == [(SAMPLES, *units) for units in UNITS]
    for held, given in ((trace.network, NETWORK), (trace.data, DATA)):
        assert held.keys() == given.keys()
        assert all((held[name] == given[name]).all() for name in given)
    assert {k: v.tolist() for k, v in trace.gradient.items()} == {k: (2 * v).tolist() for k, v in NETWORK.items()}
    assert trace.provenance == PROVENANCE


def test_attributes_are_plain_and_name_no_process(trace: Trace) -> None:
    assert trace.status == "complete"
    assert trace.attributes["format"] == "pcsim-trace"
    assert trace.attributes["format_version"] == 1
    assert trace.attributes["inference_seconds"] == 0.25
    assert type(trace.attributes["seed"]) is int
    assert ATTRIBUTES.items() <= trace.attributes.items()
    assert {"pcsim_version", "created"} <= trace.attributes.keys()
    assert not any(name.startswith("writer") for name in trace.attributes)


def test_plain_h5py_reads_text_as_str_and_every_axis_has_a_scale(tmp_path: Path) -> None:
    finished(tmp_path / "run.h5").close()
    with h5py.File(tmp_path / "run.h5", "r") as file:
        assert type(file.attrs["status"]) is str
        assert type(file["provenance"].attrs["scenario"]) is str
        bare: list[str] = []

        def look(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and not item.is_scale:
                bare.extend(name for dimension in item.dims if len(dimension) != 1)

        file.visititems(look)
        assert bare == []


def test_xarray_opens_the_root_and_groups(tmp_path: Path) -> None:
    """xarray opens every group directly, without warning (warnings are errors here) and with named dimensions."""
    finished(tmp_path / "run.h5").close()
    with xr.open_dataset(tmp_path / "run.h5", engine="h5netcdf") as data:
        assert data["energy"].dims == ("step", "layer")
        assert data["energy_per_sample"].dims == ("step", "layer", "sample")
        assert set(data.data_vars) == {"energy", "grad_norm", "energy_per_sample", "arrival_step"}
        assert set(data.coords) == {"step", "layer", "layer_name", "layer_width"}
        assert data["layer_name"].values.tolist() == ["layer 0", "layer 1", "output"]
        assert data["step"].dtype == np.int64
        assert data.attrs["status"] == "complete"
    with xr.open_dataset(tmp_path / "run.h5", engine="h5netcdf", group="final/states") as states:
        assert states["layer_1"].dims == ("sample", "unit_1")


def test_xarray_opens_the_whole_tree(tmp_path: Path) -> None:
    finished(tmp_path / "run.h5").close()
    with xr.open_datatree(tmp_path / "run.h5", engine="h5netcdf") as tree:
        assert tree["network/W_0"].dims == ("unit_in", "unit_0")
        assert tree["final/gradient/W_2"].dims == ("unit_1", "unit_2")
        assert tree["states/layer_0"].dims == ("step", "sample", "unit_0")
        assert tree["data/y"].dims == ("sample", "unit_2")
        assert not [str(d) for group in tree.subtree for d in group.dataset.dims if "phony" in str(d)]


def test_another_tool_opens_a_trace_that_pcsim_has_open(tmp_path: Path) -> None:
    with (
        finished(tmp_path / "run.h5") as trace,
        xr.open_dataset(tmp_path / "run.h5", engine="h5netcdf") as data,
    ):
        np.testing.assert_array_equal(data["energy"].values, trace.energy)


def test_images_and_unforeseen_arrays_keep_their_shapes(tmp_path: Path) -> None:
    shapes = ((2, 4, 4), (3,))
    of = layout(
        layer_names=("conv", "output"),
        unit_shapes=shapes,
        input_shape=(1, 6, 6),
        record=frozenset({"energy", "states"}),
    )
    data = {"x": np.zeros((SAMPLES, 1, 6, 6)), "y": np.zeros((SAMPLES, 3))}
    network = {"W_0": np.ones((2, 1, 3, 3)), "W_1": np.ones((32, 3))}
    path = tmp_path / "run.h5"
    with TraceWriter.create(path, beginning(of, network=network, data=data)) as writer:
        rows = block(0, 2, frozenset({"energy"}), layers=2)
        states = (np.zeros((2, SAMPLES, 2, 4, 4), np.float32),)
        writer.append(type(rows)(clock=rows.clock, energy=rows.energy, states=states))
        more = {"training/train_loss": np.arange(3.0), "final/network/W_1": np.ones((32, 3)), "final/n": np.array(3)}
        trace = writer.finish("complete", {}, more)
    with trace, xr.open_datatree(path, engine="h5netcdf") as tree:
        assert trace.states(0).shape == (2, SAMPLES, 2, 4, 4)
        assert trace.layer_widths == (32, 3)
        assert trace.array("training/train_loss").tolist() == [0, 1, 2]
        assert trace.array("final/n") == 3
        assert tree["states/layer_0"].dims == ("step", "sample", "unit_0_0", "unit_0_1", "unit_0_2")
        assert tree["data/x"].dims == ("sample", "unit_in_0", "unit_in_1", "unit_in_2")


def test_a_clock_of_times(tmp_path: Path) -> None:
    with create(tmp_path / "run.h5", layout(clock="time")) as writer:
        rows = block(0, 3)
        writer.append(type(rows)(clock=np.array([0, 0.5, 2.0]), energy=rows.energy, grad_norm=rows.grad_norm))
        trace = writer.finish("complete", {}, final())
    with trace:
        assert trace.clock == "time"
        assert trace.steps.tolist() == [0, 0.5, 2]


@pytest.mark.exhaustive
def test_many_small_appends_do_not_blow_up_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with create(path, layout(ALL)) as writer:
        empty = path.stat().st_size
        for row in range(1500):
            writer.append(block(row, 1, ALL))
        grown = path.stat().st_size - empty
        streamed = 1500 * sum(s.row_bytes for s in writer.streams)
        last_chunks = sum(s.chunk_bytes for s in writer.streams)
        assert grown < 1.02 * streamed + last_chunks + 64 * 1024
    assert path.stat().st_size < 1.02 * streamed + 2 * empty


def test_a_diverged_energy_is_kept(tmp_path: Path) -> None:
    with create(tmp_path / "run.h5", layout(frozenset({"energy"}))) as writer:
        rows = block(0, 2, frozenset({"energy"}))
        assert rows.energy is not None
        rows.energy[1] = [np.nan, np.inf, 1]
        writer.append(rows)
        with writer.finish("failed", {}, {}) as trace:
            assert trace.status == "failed"
            np.testing.assert_array_equal(trace.energy[1], [np.nan, np.inf, 1])


@pytest.mark.parametrize(("raised", "status"), [(RuntimeError, "failed"), (KeyboardInterrupt, "interrupted")])
def test_leaving_the_writer_early_keeps_the_rows(tmp_path: Path, raised: type[BaseException], status: str) -> None:
    def run() -> None:
        with create(tmp_path / "run.h5") as writer:
            writer.append(block(0, 5))
            raise raised

    with pytest.raises(raised):
        run()
    with open_trace(tmp_path / "run.h5") as trace:
        assert trace.status == status
        assert trace.rows == 5


def test_a_block_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with create(tmp_path / "run.h5") as writer:
        with pytest.raises(ValueError, match="energy: block of shape"):
            writer.append(block(0, 2, layers=1))
        with pytest.raises(ValueError, match="the layout records grad_norm, the block has none"):
            writer.append(block(0, 2, frozenset({"energy"})))
        assert writer.rows == 0


def test_an_end_that_cannot_be_written_keeps_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with create(path) as writer:
        writer.append(block(0, 2))
        with pytest.raises(TypeError):
            writer.finish("complete", {}, {"final/output": np.array([None])})
    with open_trace(path) as trace:
        assert (trace.rows, trace.status) == (2, "running")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.h5", "run.h5.journal"]


def test_text_that_hdf5_cannot_hold_is_escaped(tmp_path: Path) -> None:
    odd = os.fsdecode(b"run \xff.toml") + "\0"
    with TraceWriter.create(tmp_path / "run.h5", beginning(layout(), provenance={"command": odd})) as writer:
        trace = writer.finish("complete", {}, {})
    with trace:
        assert trace.provenance["command"] == "run \\udcff.toml\\0"


def test_parameters_that_end_as_they_began_are_stored_once_under_both_names(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    moved = NETWORK | {"W_1": NETWORK["W_1"] + 1}
    with create(path) as writer:
        writer.finish("complete", {}, {f"final/network/{name}": values for name, values in moved.items()}).close()
    with h5py.File(path) as file:
        shared = {name for name in NETWORK if file[f"network/{name}"] == file[f"final/network/{name}"]}
        assert shared == NETWORK.keys() - {"W_1"}
    with open_trace(path) as trace, xr.open_datatree(path, engine="h5netcdf") as tree:
        for name, values in moved.items():
            np.testing.assert_array_equal(trace.trained[name], values)
            np.testing.assert_array_equal(trace.network[name], NETWORK[name])
        assert tree["final/network/W_0"].dims == tree["network/W_0"].dims == ("unit_in", "unit_0")


def test_a_file_made_anew_has_what_a_copied_one_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files are copies of a blank one, of which this is the second; large ones are written array by array."""
    for name in ("first.h5", "second.h5"):
        finished(tmp_path / name).close()
    monkeypatch.setattr("pcsim.trace.blank.MOST_KEPT", 0)
    finished(tmp_path / "anew.h5").close()
    with open_trace(tmp_path / "second.h5") as copied, open_trace(tmp_path / "anew.h5") as made:
        assert described(copied.file) == described(made.file)
        for path, found in described(made.file).items():
            if "dtype" in found:
                np.testing.assert_array_equal(copied.file[path][()], made.file[path][()])
