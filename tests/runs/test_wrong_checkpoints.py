"""Files that are no checkpoint of the run, damaged ones and those of another: one clear line each."""

import json
import random
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pcsim.errors import UsageError
from pcsim.runs.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from tests.support.checkpoints import ORIGIN, SCENARIO, assert_same_checkpoint, sample


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


def test_a_key_that_is_newer_than_a_checkpoint_says_what_was_done_then() -> None:
    now = SCENARIO.replace("lr = 0.1\n", "lr = 0.1\ndrop_last = true\n")
    assert sample().check_fits(replace(ORIGIN, scenario=now)) is None
    with pytest.raises(UsageError, match="drop_last is true there, false here"):
        sample().check_fits(replace(ORIGIN, scenario=now.replace("true", "false")))


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
