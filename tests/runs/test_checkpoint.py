"""Checkpoints: every bit comes back, the previous one survives any failure, and wrong files are one clear line."""

import json
import os
import random
import subprocess
import sys
import zipfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pcsim.errors import RunFailed, UsageError
from pcsim.runs.checkpoint import Checkpoint, Origin, by_path, checkpoint_path, read_checkpoint, write_checkpoint
from tests.support.places import ROOT

SCENARIO = 'title = "ε"\nseed = 1\n[network]\nwidths = [4, 5, 3]\n\n[learning]\nlr = 0.1\nschedule = { warmup = 0.1 }\n'
ORIGIN = Origin(SCENARIO, "numpy", "float32", "pcsim 0.1.0, numpy 2.1.0")


def tree(dtype: Any = np.float32, seed: int = 0) -> dict[str, Any]:
    """Parameters, and memory nested as deep as any optimiser's, one of them without any."""
    draw = np.random.default_rng(seed)

    def array(*shape: int) -> Any:
        return draw.normal(size=shape).astype(dtype)

    odd = np.array([0.0, -0.0, np.inf, np.nan, 5e-324]).astype(dtype)
    layer = {"W": (array(4, 5), array(4, 5)), "b": (odd, odd.copy())}
    return {
        "parameters": {"W_0": array(4, 5), "b_0": odd, "W_1": np.asfortranarray(array(5, 3))},
        "memory": (layer, {}, {"W": ()}, {"W": (array(2)[:1], (array(3, 2),))}, np.int64(3), np.array(2.5)),
        "best": {"W_0": array(4, 5)},
    }


def sample(dtype: Any = np.float32, seed: int = 0, parts: tuple[str, ...] = ("parameters", "memory", "best")) -> Any:
    held = tree(dtype, seed)
    arrays = {path: array for part in parts for path, array in by_path(held[part], part).items()}
    numbers = {"epoch": 3, "updates": 10**12, "best_loss": float("inf"), "waited": 0, "loss": 0.1}
    return Checkpoint(ORIGIN, arrays, numbers)


def assert_same(found: Any, wanted: Any) -> None:
    if hasattr(wanted, "dtype"):
        wanted = np.asarray(wanted)
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
        assert found.tobytes() == wanted.tobytes()
        assert wanted.flags.c_contiguous == found.flags.c_contiguous
        return
    assert type(found) is type(wanted)
    if isinstance(wanted, dict):
        assert list(found) == list(wanted)
        for key in wanted:
            assert_same(found[key], wanted[key])
    elif isinstance(wanted, tuple | list):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            assert_same(one, other)
    else:
        assert found == wanted


def assert_same_checkpoint(found: Checkpoint, wanted: Checkpoint) -> None:
    for path, array in wanted.arrays.items():
        assert_same(found.restored(np.zeros_like(array), path), array)
    assert list(found.arrays) == list(wanted.arrays)
    assert (found.origin, found.numbers) == (wanted.origin, wanted.numbers)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn])
def test_every_bit_comes_back(tmp_path: Path, dtype: Any) -> None:
    path = tmp_path / "run.h5.checkpoint"
    write_checkpoint(path, sample(dtype))
    found = read_checkpoint(path)
    assert_same_checkpoint(found, sample(dtype))
    for part, wanted in tree(dtype).items():
        assert_same(found.restored(tree(dtype, seed=1)[part], part), wanted)
    assert found.path == path
    write_checkpoint(path, sample(dtype, 1, ("parameters",)))
    assert_same_checkpoint(read_checkpoint(path), sample(dtype, 1, ("parameters",)))
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5.checkpoint"]


def test_arrays_of_jax_are_held_too(tmp_path: Path) -> None:
    jax_numpy = pytest.importorskip("jax.numpy")
    memory = (jax_numpy.arange(3, dtype="bfloat16"), jax_numpy.float32(2))
    write_checkpoint(tmp_path / "c", replace(sample(), arrays=by_path(memory, "memory")))
    wanted = tuple(np.asarray(array) for array in memory)
    assert_same(read_checkpoint(tmp_path / "c").restored(wanted, "memory"), wanted)


def test_numpy_opens_a_checkpoint(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "c", sample())
    with np.load(tmp_path / "c") as arrays:
        np.testing.assert_array_equal(arrays["parameters/W_0"], tree()["parameters"]["W_0"])
        assert {"memory/0/W/1", "memory/3/W/1/0", "memory/4", "best/W_0"} <= set(arrays.files)


def test_it_lies_beside_the_trace() -> None:
    assert checkpoint_path(Path("runs/a.h5")) == Path("runs/a.h5.checkpoint")


def test_the_format_before_is_read(tmp_path: Path) -> None:
    """It said in its head how arrays are nested, and which are stored as integers."""
    small = np.array([1.5, -2.0], dtype=ml_dtypes.bfloat16)
    arrays: dict[str, Any] = {"parameters/b_0": small.view("u2"), "memory/0/b/1": np.ones(2)}
    np.savez(tmp_path / "old.npz", **arrays)
    held = {"array": "parameters/b_0", "dtype": "bfloat16"}
    numbers = {"epoch": 3, "best_loss": float("inf")}
    head = {"format": "pcsim-checkpoint", "format_version": 1, "origin": asdict(ORIGIN), "numbers": numbers}
    with zipfile.ZipFile(tmp_path / "old.npz", "a") as archive:
        archive.writestr("checkpoint.json", json.dumps(head | {"parameters": {"dict": {"b_0": held}}, "best": None}))
    found = read_checkpoint(tmp_path / "old.npz")
    assert_same(found.restored({"b_0": np.zeros_like(small)}, "parameters"), {"b_0": small})
    assert_same(found.restored(({"b": ((), np.zeros(2))},), "memory"), ({"b": ((), np.ones(2))},))
    assert (found.origin, found.numbers) == (ORIGIN, numbers)


@pytest.mark.parametrize("like", [np.zeros((4, 6), np.float32), np.zeros((4, 5)), {"W": np.zeros(3)}], ids=str)
def test_what_is_not_there_or_of_another_shape_is_damage(tmp_path: Path, like: Any) -> None:
    write_checkpoint(tmp_path / "c", sample())
    with pytest.raises(UsageError, match="c is damaged or truncated; use another copy, or start training anew"):
        read_checkpoint(tmp_path / "c").restored(like, "parameters/W_0")


def test_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_checkpoint(tmp_path / "c", replace(sample(), arrays={"memory": np.array([None])}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_failed_write_keeps_the_previous_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def fail(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    path = tmp_path / "run.h5.checkpoint"
    for kept in ("there is none yet", "the previous one is whole"):
        with monkeypatch.context() as patched:
            patched.setattr(os, call, fail)
            with pytest.raises(RunFailed) as error:
                write_checkpoint(path, sample(seed=1))
        assert str(error.value) == f"{path}: the checkpoint could not be written (Input/output error); {kept}"
        assert [p.name for p in tmp_path.iterdir()] == ([path.name] if path.exists() else [])
        write_checkpoint(path, sample())
    assert_same_checkpoint(read_checkpoint(path), sample())


def test_a_kill_before_the_replacement_keeps_the_previous_one(tmp_path: Path) -> None:
    path = tmp_path / "c"
    write_checkpoint(path, sample())
    program = f"""
import os, pathlib, signal
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from tests.runs.test_checkpoint import sample, write_checkpoint
write_checkpoint(pathlib.Path({str(path)!r}), sample(seed=1))
"""
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == -9
    assert_same_checkpoint(read_checkpoint(path), sample())


@pytest.mark.parametrize("reserving", [True, False])
@pytest.mark.parametrize("limit", [100, 5_000, 300_000])
def test_a_full_disk_keeps_the_previous_one(tmp_path: Path, limit: int, reserving: bool) -> None:
    """In a process of its own, whose files cannot grow further."""
    path = tmp_path / "c"
    write_checkpoint(path, sample())
    program = f"""
import dataclasses, pathlib, resource
import numpy as np
from pcsim.errors import RunFailed
from pcsim.runs import checkpoint
from tests.runs.test_checkpoint import sample
if not {reserving}:
    checkpoint.reserve = lambda *_: False
large = dataclasses.replace(sample(seed=1), arrays={{"best/W_0": np.zeros(100_000), "best/b_0": np.zeros(3)}})
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))
try:
    checkpoint.write_checkpoint(pathlib.Path({str(path)!r}), large)
except RunFailed as error:
    print(error)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.startswith(f"{path}: the checkpoint could not be written (")
    assert done.stdout.endswith("); the previous one is whole\n")
    assert_same_checkpoint(read_checkpoint(path), sample())
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def message_for(path: Path) -> str:
    with pytest.raises(UsageError) as error:
        read_checkpoint(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "empty").touch()
    np.savez(tmp_path / "foreign.npz", x=np.ones(3))
    for name in ("text", "empty", "foreign.npz"):
        assert message_for(tmp_path / name) == f"{tmp_path / name} is not a pcsim checkpoint"
    with zipfile.ZipFile(tmp_path / "other", "w") as archive:
        archive.writestr("checkpoint.json", '{"format": "other"}')
    assert message_for(tmp_path / "other") == f"{tmp_path / 'other'} is not a pcsim checkpoint"
    assert message_for(tmp_path) == f"cannot read {tmp_path}: Is a directory"


def test_a_missing_file_and_its_neighbour(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "digits.h5.checkpoint", sample())
    missing = tmp_path / "digist.h5.checkpoint"
    assert message_for(missing) == f"no checkpoint at {missing}; did you mean 'digits.h5.checkpoint'?"
    assert message_for(tmp_path / "none" / "c") == f"no checkpoint at {tmp_path / 'none' / 'c'}"


def test_a_newer_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("pcsim.runs.checkpoint.FORMAT_VERSION", 3)
        write_checkpoint(tmp_path / "c", sample())
    assert message_for(tmp_path / "c").startswith(f"{tmp_path / 'c'} is written in checkpoint format 3, this pcsim ")
    assert message_for(tmp_path / "c").endswith("reads up to 2; upgrade pcsim")


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("damage", ["cut", "zeroed"])
def test_a_checkpoint_that_is_not_whole(tmp_path: Path, share: float, damage: str) -> None:
    path = tmp_path / "c"
    write_checkpoint(path, sample())
    whole = path.read_bytes()
    kept = whole[: int(len(whole) * share)]
    path.write_bytes(kept if damage == "cut" else kept.ljust(len(whole), b"\0"))
    assert message_for(path) == f"{path} is damaged or truncated; use another copy, or start training anew"


def test_a_flipped_bit_is_noticed_or_harmless(tmp_path: Path) -> None:
    path, draw = tmp_path / "c", random.Random(3)
    write_checkpoint(path, sample())
    whole = path.read_bytes()
    noticed = 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[draw.randrange(4, len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            assert_same_checkpoint(read_checkpoint(path), sample())
        except UsageError as error:
            noticed += "\n" not in str(error)
    assert noticed > 100


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("lr = 0.1", "lr = 0.2", "learning.lr is 0.1 there, 0.2 here"),
        ("lr = 0.1\n", "", "learning.lr is 0.1 there, not set here"),
        ("seed = 1", "seed = 1\nextra = true", "extra is not set there, true here"),
        ("warmup = 0.1", "warmup = 0.3", "learning.schedule.warmup is 0.1 there, 0.3 here"),
        ("[4, 5, 3]\n\n[learning]\nlr = 0.1", "[4, 6, 3]\n\n[learning]\nlr = 9", "network.widths is [4, 5, 3] there"),
    ],
)
def test_another_scenario_is_refused_by_its_first_key(tmp_path: Path, was: str, now: str, told: str) -> None:
    write_checkpoint(tmp_path / "c", sample())
    other = replace(ORIGIN, scenario=SCENARIO.replace(was, now))
    with pytest.raises(UsageError) as error:
        read_checkpoint(tmp_path / "c").check_fits(other)
    message = str(error.value)
    assert message.startswith(f"{tmp_path / 'c'} is of another scenario: {told}")
    assert message.endswith("; resume with the scenario it was made with, or start anew with another name (path=)")
    assert "\n" not in message


@pytest.mark.parametrize(("change", "told"), [({"backend": "jax"}, "backend is"), ({"precision": "x"}, "precision is")])
def test_another_arithmetic_is_refused(change: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=f"the checkpoint is of another scenario: {told} "):
        sample().check_fits(replace(ORIGIN, **change))


def test_a_long_value_is_compared_whole_and_shown_in_part() -> None:
    there, here = ("[network]\nwidths = [" + "7, " * 100 + f"{last}]" for last in (1, 2))
    with pytest.raises(UsageError, match=r"network\.widths is \[(7, ){19}.{0,5}… there") as error:
        replace(sample(), origin=replace(ORIGIN, scenario=there)).check_fits(replace(ORIGIN, scenario=here))
    assert len(str(error.value)) < 320


def test_the_same_scenario_fits_and_other_versions_are_noted() -> None:
    assert sample().check_fits(ORIGIN) is None
    assert sample().check_fits(replace(ORIGIN, scenario=SCENARIO.replace("seed = 1", "seed  =  1"))) is None
    note = sample().check_fits(replace(ORIGIN, versions="pcsim 0.1.0, numpy 2.2.0"))
    assert note is not None
    assert note.endswith(
        "made with pcsim 0.1.0, numpy 2.1.0, this is pcsim 0.1.0, numpy 2.2.0: the last bits may differ"
    )


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("origin", "scenario", True),
        ("origin", "scenario", "[["),
        ("numbers", "epoch", "x"),
    ],
)
def test_a_head_that_says_something_else(tmp_path: Path, table: str, key: str, value: Any) -> None:
    path = tmp_path / "run.h5.checkpoint"
    write_checkpoint(path, Checkpoint(ORIGIN, {}, {"epoch": 1}))
    with zipfile.ZipFile(path) as archive:
        head = json.loads(archive.read("checkpoint.json"))
    head[table][key] = value
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("checkpoint.json", json.dumps(head))
    with pytest.raises(UsageError, match="is damaged or truncated"):
        read_checkpoint(path)


def test_a_number_that_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "run.h5.checkpoint"
    write_checkpoint(path, Checkpoint(ORIGIN, {}, {"epoch": 1}))
    with pytest.raises(UsageError, match="is damaged or truncated"):
        read_checkpoint(path).count("updates")


@pytest.mark.parametrize("value", [2**70, 1e300, float("nan"), 1.5])
def test_a_count_that_is_none(value: float) -> None:
    with pytest.raises(UsageError, match="is damaged or truncated"):
        Checkpoint(ORIGIN, {}, {"epoch": value}).count("epoch")
