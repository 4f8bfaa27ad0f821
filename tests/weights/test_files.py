"""Weights files: what an export holds, that it comes back to the same bits, and what cannot be written or read."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import ml_dtypes
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import pcsim
from pcsim.cli.call import call
from pcsim.errors import Interrupted, RunFailed, UsageError
from pcsim.model.activations import Tanh
from pcsim.model.network import dense_chain
from pcsim.scenario import parse_scenario
from pcsim.trace import Trace
from pcsim.weights import embedded_texts, read_parameters, write_weights
from tests.support.scenario_files import TEXT, Files
from tests.support.training_files import TRAINING, UPDATES, interrupting, only_line

FAST = ("learning.epochs=1", "network.widths=[64,12,10]", "inference.steps=2")
PLAIN = TEXT.replace("[64, 32, 32, 10]", "[64, 12, 10]").replace("steps = 20", "steps = 2")


def both(trace: Trace) -> None:
    for suffix in ("npz", "safetensors"):
        pcsim.export_weights(trace, f"w.{suffix}")


@pytest.mark.parametrize(
    ("backend", "precision"),
    [
        ("numpy", "float32"),
        ("numpy", "float64"),
        *(pytest.param("jax", precision, marks=pytest.mark.exhaustive) for precision in ("float32", "bfloat16")),
    ],
)
def test_trained_weights_infer_as_the_run_that_trained_them(files: Files, backend: str, precision: str):
    with pcsim.run(files.read(TRAINING, *FAST), backend=backend, precision=precision) as trained:
        both(trained)
        wanted, text = trained.trained, trained.provenance["scenario"]
        for suffix in ("npz", "safetensors"):
            plain = files.read(PLAIN, f"network.weights=w.{suffix}")
            with pcsim.run(plain, backend=backend, precision=precision) as again:
                assert np.array_equal(again.energy, trained.energy)
                for ours, theirs in zip(again.final_states, trained.final_states, strict=True):
                    assert ours.tobytes() == theirs.tobytes()
    assert parse_scenario(text).backend.precision_name == precision
    texts = embedded_texts(Path("w.npz"))
    assert texts == embedded_texts(Path("w.safetensors"))
    assert (texts["scenario"], len(texts["data_sha256"])) == (text, 64)
    with np.load("w.npz") as npz:
        assert set(npz.files) == {"W0", "b0", "W1", "b1", "scenario", "data_sha256"}
        assert npz["W1"].dtype == ("float64" if precision == "float64" else "float32")
        assert np.array_equal(npz["W1"], wanted["W_1"])
    with safe_open("w.safetensors", framework="np") as file:
        kind = {"float32": "F32", "float64": "F64", "bfloat16": "BF16"}[precision]
        assert file.get_slice("W1").get_dtype() == kind
        assert file.metadata() == texts


@pytest.mark.parametrize("precision", ["float16", "bfloat16", "float32"])
def test_a_trace_of_inference_exports_the_parameters_it_ran_with(files: Files, precision: str):
    with pcsim.run(files.read(PLAIN), precision=precision) as trace:
        both(trace)
        drawn = trace.network["W_0"]
        dtype = np.dtype(ml_dtypes.bfloat16) if precision == "bfloat16" else np.dtype(precision)
        network = dense_chain((64, 12, 10), Tanh())
        for suffix in ("npz", "safetensors"):
            read = read_parameters(Path(f"w.{suffix}"), network)
            assert np.array_equal(read[0]["W"], drawn.astype(dtype).astype(np.float64))
            with pcsim.run(files.read(PLAIN, f"network.weights=w.{suffix}"), precision=precision) as again:
                assert np.array_equal(again.energy, trace.energy)


def test_an_interrupted_training_exports_what_it_had_learned(
    files: Files, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("pcsim.learning.training.SECONDS", 0.0)
    with pytest.raises(Interrupted) as caught:
        pcsim.run(files.read(TRAINING), path="s.h5", progress=interrupting(2 * UPDATES))
    with caught.value.trace as trace:
        learned = trace.trained["W_0"]
        assert not np.array_equal(learned, trace.network["W_0"].astype(np.float32))
    assert call(["export", "s.h5", "-o", "w.npz"]) == 0
    assert capsys.readouterr().err == "note: training did not come to its end (status interrupted)\n"
    with np.load("w.npz") as npz:
        assert np.array_equal(npz["W0"], learned)
    line = only_line(capsys, ["learn", "s.h5"], code=2)
    assert line.startswith("s.h5 (status interrupted) holds no final/states/layer_0 and 2 more; needed are /data/x, ")


@pytest.mark.parametrize(
    ("backend", "precision"), [("numpy", "float32"), pytest.param("jax", "bfloat16", marks=pytest.mark.exhaustive)]
)
def test_a_training_that_was_killed_exports_its_last_checkpoint(
    files: Files, backend: str, precision: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("pcsim.learning.training.SECONDS", 0.0)
    scenario = files.read(TRAINING).on(backend, precision)
    with pytest.raises(Interrupted) as caught:
        pcsim.run(scenario, path="s.h5", progress=interrupting(2 * UPDATES))
    with caught.value.trace as trace:
        learned = trace.trained["W_0"]
    with h5py.File("s.h5", "r+") as file:
        del file["final"]
        file.attrs["status"] = "running"
    assert only_line(capsys, ["export", "s.h5", "-o", "w.npz"], code=0) == (
        "note: training did not come to its end (status running): these are the weights of the last checkpoint, after "
        "epoch 2"
    )
    with np.load("w.npz") as npz:
        assert np.array_equal(npz["W0"], learned)
    other = files.read(TRAINING, "seed=9").on(backend, precision)
    with pytest.raises(Interrupted):
        pcsim.run(other, path="t.h5", progress=interrupting(2 * UPDATES))
    Path("t.h5.checkpoint").replace("s.h5.checkpoint")
    line = only_line(capsys, ["export", "s.h5", "-o", "v.npz"], code=2)
    assert line.startswith("s.h5.checkpoint is of another run than s.h5, ")


def test_a_training_that_was_killed_early_has_nothing_to_export(files: Files, capsys: pytest.CaptureFixture[str]):
    pcsim.run(files.read(TRAINING, *FAST), path="s.h5").close()
    Path("s.h5.checkpoint").unlink(missing_ok=True)
    with h5py.File("s.h5", "r+") as file:
        del file["final"]
        file.attrs["status"] = "running"
    assert only_line(capsys, ["export", "s.h5", "-o", "w.npz"], code=2) == (
        "s.h5 (status running) holds no final/network/W_0; training has not ended: go on with pcsim run … --resume"
    )


def test_existing_files_are_replaced_only_by_force(files: Files, capsys: pytest.CaptureFixture[str]):
    files.write(PLAIN)
    assert call(["run", "s.toml", "--quiet"]) == 0
    for name in ("w.npz", "w.safetensors"):
        Path(name).write_text("mine")
        line = only_line(capsys, ["export", "s.h5", "-o", name], code=2)
        assert line == f"{name} exists; choose another name with -o or add --force"
        assert Path(name).read_text() == "mine"
        assert call(["export", "s.h5", "-o", name, "--force"]) == 0
        assert capsys.readouterr().out == f"weights: {name}\n"
        assert read_parameters(Path(name), dense_chain((64, 12, 10), Tanh()))
    assert only_line(capsys, ["export", "s.h5", "-o", "w.txt"], code=2) == (
        "w.txt: weights are written as .npz or .safetensors; give the file that ending"
    )
    assert "does not exist" in only_line(capsys, ["export", "s.h5", "-o", "no/w.npz"], code=2)
    assert "is not an HDF5 file" in only_line(capsys, ["export", "s.toml", "-o", "x.npz"], code=2)
    assert sorted(path.name for path in files.folder.iterdir()) == ["s.h5", "s.toml", "w.npz", "w.safetensors"]


def test_weights_that_are_not_finite_are_not_written(files: Files, capsys: pytest.CaptureFixture[str]):
    pcsim.run(files.read(TRAINING, *FAST), path="s.h5").close()
    file: Any
    with h5py.File("s.h5", "r+") as file:
        file["final/network/W_0"][3, 1] = np.nan
    assert only_line(capsys, ["export", "s.h5", "-o", "w.npz"], code=2) == (
        "s.h5: final/network/W_0 has 1 NaN or infinite entry of 768"
    )
    assert not Path("w.npz").exists()


@pytest.mark.parametrize("name", ["w.npz", "w.safetensors"])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    path, parameters = tmp_path / name, {"W_0": np.ones((2, 3))}
    write_weights(path, parameters, {"scenario": "a"})
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunFailed) as caught:
        write_weights(path, parameters, {"scenario": "b"}, force=True)
    assert str(caught.value) == (
        f"{path}: the weights could not be written (No space left on device); nothing was changed"
    )
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_package_is_one_line_with_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "w.safetensors"
    monkeypatch.setitem(sys.modules, "safetensors", None)
    fix = (
        f"{path}: the package safetensors is missing; install it with: pip install 'pcsim[safetensors]', or use an "
        ".npz file"
    )
    for attempt in (
        lambda: write_weights(path, {"W_0": np.ones((2, 3))}, {}),
        lambda: read_parameters(path, dense_chain((2, 3), Tanh())),
        lambda: embedded_texts(path),
    ):
        with pytest.raises(UsageError) as caught:
            attempt()
        assert str(caught.value) == fix
    assert not path.exists()


def tensors() -> dict[str, Any]:
    return {"W0": np.ones((5, 3), "f4"), "b0": np.ones(3, "f4")}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (tensors() | {"W0": np.ones((3, 5))}, "array W0 has shape (3, 5), this network needs (5, 3); transpose it: "),
        (tensors() | {"b0": np.full(3, np.nan)}, "array b0 has NaN or infinite entries"),
        (tensors() | {"W1": np.ones((3, 3))}, "array W1 has no place in this network; the network has 1 layers"),
        (tensors() | {"b0": np.ones(3, bool)}, "array b0 holds BOOL, expected real numbers: one of F64, F32, "),
        (
            {"W0": tensors()["W0"]},
            "has no array 'b0', its arrays: 'W0'; needed is a .safetensors file with the arrays ",
        ),
    ],
)
def test_tensors_that_do_not_fit(tmp_path: Path, given: dict[str, Any], message: str):
    path = tmp_path / "w.safetensors"
    save_file(given, path)
    with pytest.raises(UsageError) as caught:
        read_parameters(path, dense_chain((5, 3), Tanh()))
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_tensors_of_every_kind_of_number_are_read(tmp_path: Path):
    path, network = tmp_path / "w.safetensors", dense_chain((5, 3), Tanh())
    for dtype in ("f2", "f4", "f8", "i1", "i4", "u8", ml_dtypes.bfloat16):
        save_file(
            {name: array.astype(dtype) for name, array in tensors().items()}, path, {"made by": "another program"}
        )
        (layer,) = read_parameters(path, network)
        assert layer["W"].dtype == np.float64
        assert np.array_equal(layer["W"], tensors()["W0"])
        assert embedded_texts(path) == {}


def test_tensor_files_that_are_missing_cut_or_something_else(tmp_path: Path):
    whole, network = tmp_path / "whole.safetensors", dense_chain((5, 3), Tanh())
    save_file(tensors(), whole)
    (tmp_path / "cut.safetensors").write_bytes(whole.read_bytes()[:-10])
    (tmp_path / "text.safetensors").write_text("W0 and then some")
    for name, words in (("none", "no such file"), ("cut", "is no .safetensors file"), ("text", "is no .safetensors")):
        path = tmp_path / f"{name}.safetensors"
        for read in (partial(read_parameters, path, network), partial(embedded_texts, path)):
            with pytest.raises(UsageError) as caught:
                read()
            assert f"{name}.safetensors: {words}" in str(caught.value)
            assert "\n" not in str(caught.value)
