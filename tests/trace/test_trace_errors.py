"""Files that are not traces, or not whole: each is one clear line, without noise from HDF5."""

import os
from pathlib import Path

import h5py
import pytest

from pcsim.errors import UsageError
from pcsim.trace import open_trace, repair
from tests.support.trace_samples import block, create, final, killed_trace


def message_for(path: Path | str) -> str:
    with pytest.raises(UsageError) as error:
        open_trace(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def complete(path: Path) -> Path:
    with create(path) as writer:
        writer.append(block(0, 50))
        writer.finish("complete", {}, final()).close()
    return path


def test_a_missing_file_and_its_neighbour(tmp_path: Path) -> None:
    complete(tmp_path / "decay.h5")
    assert message_for(tmp_path / "decya.h5") == f"no trace at {tmp_path / 'decya.h5'}; did you mean 'decay.h5'?"
    assert message_for(tmp_path / "none" / "decay.h5") == f"no trace at {tmp_path / 'none' / 'decay.h5'}"


def test_things_that_are_no_traces(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("hello")
    (tmp_path / "empty.h5").touch()
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = 1
    assert message_for(tmp_path) == f"{tmp_path} is a directory; name a trace file in it"
    assert "is not an HDF5 file" in message_for(tmp_path / "text.h5")
    assert "is not an HDF5 file" in message_for(str(tmp_path / "empty.h5"))
    assert "is an HDF5 file but not a pcsim trace" in message_for(tmp_path / "foreign.h5")
    assert "is not a regular file" in message_for("/dev/full")
    assert "cannot read" in message_for(tmp_path / ("x" * 300))


def test_a_newer_format(tmp_path: Path) -> None:
    path = complete(tmp_path / "run.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = 3
    message = message_for(path)
    assert message.startswith(f"{path} is written in trace format 3, this pcsim ")
    assert message.endswith("reads up to 1; upgrade pcsim")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.99])
def test_a_truncated_file(tmp_path: Path, share: float, capfd: pytest.CaptureFixture[str]) -> None:
    path = complete(tmp_path / "run.h5")
    os.truncate(path, int(path.stat().st_size * share))
    assert "damaged or truncated (truncated file" in message_for(path)
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("killed") / "run.h5"
    killed_trace(path, rows=50, seconds=0)
    return path.read_bytes()


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("damage", ["cut", "zeroed"])
def test_a_killed_trace_that_was_damaged(tmp_path: Path, whole: bytes, share: float, damage: str) -> None:
    """As a crash of the whole machine, or a copy made halfway, leaves it: an error or the data, never a hang."""
    path = tmp_path / "run.h5"
    kept = whole[: int(len(whole) * share)]
    path.write_bytes(kept if damage == "cut" else kept.ljust(len(whole), b"\0"))
    try:
        with open_trace(path) as trace:
            read = trace.energy, trace.network, trace.provenance
    except UsageError as error:
        message = str(error)
    else:
        message = f"damaged or truncated, but {len(read)} groups are whole"
    assert "damaged or truncated" in message


@pytest.mark.parametrize("missing", ["format_version", "layer_name", "step"])
def test_a_trace_that_lacks_something(tmp_path: Path, missing: str) -> None:
    path = complete(tmp_path / "run.h5")
    with h5py.File(path, "r+") as file:
        del (file.attrs if missing == "format_version" else file)[missing]
    assert "is damaged or truncated" in message_for(path)


def test_a_file_without_permission(tmp_path: Path) -> None:
    path = complete(tmp_path / "run.h5")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert "cannot read" in message_for(path)


def test_arrays_that_were_not_recorded(tmp_path: Path) -> None:
    with open_trace(complete(tmp_path / "run.h5")) as trace:
        assert trace.energy_per_sample is None
        with pytest.raises(UsageError, match=r"holds no states/layer_0; record it with \[trace\] record"):
            trace.states(0)


def test_links_in_a_circle(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    path.symlink_to(path)
    assert "no trace at" in message_for(path)
    with pytest.raises(UsageError, match="no trace at"):
        repair(path)
