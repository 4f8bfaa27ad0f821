"""Checkpoints: all that training needs to go on bit for bit, in one `.npz` beside the trace, replaced at once."""

import json
import os
import tomllib
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pydantic import TypeAdapter

from pcsim.datasets.headers import array_shape
from pcsim.errors import RunFailed, UsageError, did_you_mean, out_of_memory
from pcsim.scenario.toml_text import toml_value
from pcsim.trace.assemble import RUN_ID
from pcsim.trace.atomic import checkpoint_path, replacing
from pcsim.trace.digest import shortened
from pcsim.trace.space import reserve, why
from pcsim.typing import NDArray
from pcsim.version import __version__

FORMAT = "pcsim-checkpoint"
FORMAT_VERSION = 2
"""Up to 1 the head said how arrays were nested, too; they are named alike."""
_HEAD = "checkpoint.json"
_START_OF_ZIP = b"PK\x03\x04"
_LONGEST_VALUE = 60
EPOCHS = "learning.epochs"
_FILES = ("data.file", "network.weights")
_QUOTES = "\"'"
_BEFORE = {"data.channels": '"last"', "learning.drop_last": "true", "backend.devices": "1"}
"""Keys that older scenarios do not have, and what was done then."""


@dataclass(frozen=True)
class Origin:
    """The run that a checkpoint belongs to."""

    scenario: str
    """Resolved, as TOML."""
    backend: str
    precision: str
    versions: str
    """Of all packages that can change the last bits, as `describe_machine` names them."""
    data_sha256: str = ""
    """Of all samples, empty in checkpoints that were written before there were digests."""
    weights_sha256: str = ""
    """Of the weights file to start from, empty without one."""


class _Numbers(dict[str, int | float]):
    """Numbers by name; UsageError for one that is missing."""

    def __init__(self, found: Mapping[str, int | float], path: Path) -> None:
        super().__init__(found)
        self._path = path

    def __missing__(self, name: str) -> int | float:
        raise UsageError(_damaged(self._path))


_ORIGIN = TypeAdapter(Origin)
_NUMBERS = TypeAdapter(dict[str, int | float])


@dataclass(frozen=True)
class Checkpoint:
    """Where training stands, to the bit."""

    origin: Origin
    arrays: Mapping[str, NDArray[Any]]
    """By path: parameters, the optimiser's memory, and the parameters that early stopping comes back to."""
    numbers: Mapping[str, int | float]
    """Epoch, updates, best loss, how long patience has been tried, …"""
    path: Path | None = None
    """Where it was read from."""
    run_id: str = ""
    """That of the trace it belongs to; older ones have none."""

    def restored(self, like: Any, path: str) -> Any:
        """Return the arrays below a path, nested, typed and shaped as in `like`, a tree of tuples and dicts."""
        if isinstance(like, dict):
            return {key: self.restored(item, f"{path}/{key}") for key, item in like.items()}
        if isinstance(like, tuple):
            return tuple(self.restored(item, f"{path}/{i}") for i, item in enumerate(like))
        try:
            # What numpy has no name for is stored as unsigned integers.
            return self.arrays[path].view(like.dtype).reshape(like.shape)
        except (KeyError, ValueError, TypeError):
            raise UsageError(_damaged(self.path)) from None

    def count(self, name: str) -> int:
        """Return a number that counts something; UsageError for one that does not."""
        value = self.numbers[name]
        if not (abs(value) < 2**53 and value == int(value)):
            raise UsageError(_damaged(self.path))
        return int(value)

    def check_fits(self, origin: Origin, but: Collection[str] = ()) -> str | None:
        """Raise UsageError, naming the first key that differs, `but` for some, where not the run of `origin` made this.

        Returns a note where other versions of the packages made it, so that the last bits may differ, and where it
        cannot be said whether the data are the same.
        """
        there, here = self.origin, origin
        difference = first_difference(there.scenario, here.scenario, same_files=bool(there.data_sha256), but=but)
        for word in ("backend", "precision"):
            old, new = getattr(there, word), getattr(here, word)
            difference = difference or (f"{word} is {old} there, {new} here" if old != new else None)
        name = self.path or "the checkpoint"
        if difference:
            raise UsageError(
                f"{name} is of another scenario: {difference}; resume with the scenario it was made with, "
                "or start anew with another name (-o)"
            )
        notes: list[str] = []
        if not there.data_sha256 and "data.file" in _by_key(tomllib.loads(here.scenario)):
            notes.append(f"{name} holds no digest of its data: that they are the same cannot be said")
        for what, old, new in (
            ("data", there.data_sha256, here.data_sha256),
            ("weights", there.weights_sha256, here.weights_sha256),
        ):
            if there.data_sha256 and old != new:
                raise UsageError(other_files(str(name), what, old, new))
        if there.versions != here.versions:
            notes.append(f"{name} was made with {there.versions}, this is {here.versions}: the last bits may differ")
        return "; ".join(notes) or None


def checkpoint_of(trace: Path, attributes: Mapping[str, Any]) -> Checkpoint:
    """Read the checkpoint beside a trace with these root attributes; UsageError where it is another run's."""
    found = read_checkpoint(checkpoint_path(trace))
    if found.run_id != attributes.get(RUN_ID, ""):
        raise UsageError(
            f"{found.path} is of another run than {trace}, which has begun anew since; start anew with --force, or "
            "remove the trace to go on from the checkpoint alone"
        )
    return found


def by_path(tree: Any, path: str) -> dict[str, NDArray[Any]]:
    """Return the arrays in nested tuples and dicts, named by where they are: `memory/0/W/1`."""
    if not isinstance(tree, tuple | dict):
        return {path: np.asarray(tree)}
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return {name: array for key, item in items for name, array in by_path(item, f"{path}/{key}").items()}


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Put a checkpoint at `path`, in place of the previous one at once when it is on disk as a whole.

    RunFailed where that cannot be done: the previous one is then as it was.
    """
    head = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "pcsim_version": __version__,
        "run_id": checkpoint.run_id,
        "origin": asdict(checkpoint.origin),
        "numbers": checkpoint.numbers,
    }
    try:
        with replacing(path) as temporary, temporary.open("x+b") as file:
            _write_archive(file, json.dumps(head), checkpoint.arrays)
    except OSError as error:
        kept = "the previous one is whole" if path.exists() else "there is none yet"
        raise RunFailed(f"{path}: the checkpoint could not be written ({why(error)}); {kept}", again=True) from None


def remove_checkpoint(trace: Path) -> None:
    """Remove the checkpoint of a training run that has come to its end."""
    checkpoint_path(trace).unlink(missing_ok=True)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; UsageError, one line, for a missing, damaged or foreign file and for a newer format."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise UsageError(f"{path} is not a pcsim checkpoint")
        with path.open("rb") as file:
            if file.read(len(_START_OF_ZIP)) != _START_OF_ZIP:
                raise UsageError(f"{path} is not a pcsim checkpoint")
            file.seek(0)
            return _read_archive(path, file)
    except FileNotFoundError:
        others = [other.name for other in path.parent.glob("*.checkpoint")]
        raise UsageError(f"no checkpoint at {path}{did_you_mean(path.name, others)}") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None


def _write_archive(file: BinaryIO, head: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    objects = 1024 * (len(arrays) + 1)
    reserve(file.fileno(), len(head) + sum(array.nbytes for array in arrays.values()) + objects)
    stored: dict[str, Any] = {
        path: array if array.dtype.kind in "biufc" else array.view(f"u{array.dtype.itemsize}")
        for path, array in arrays.items()
    }
    np.savez(file, **stored)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(_HEAD, head)


def _read_archive(path: Path, file: BinaryIO) -> Checkpoint:
    try:
        with np.load(file, allow_pickle=False) as archive:
            if not _is_plain(archive.zip, file) or archive.zip.testzip() is not None:
                raise UsageError(_damaged(path))
            head: dict[str, Any] = json.loads(archive[_HEAD]) if _HEAD in archive else {"format": None}
            if head["format"] != FORMAT:
                raise UsageError(f"{path} is not a pcsim checkpoint")
            if head["format_version"] > FORMAT_VERSION:
                raise UsageError(
                    f"{path} is written in checkpoint format {head['format_version']}, this pcsim {__version__} "
                    f"reads up to {FORMAT_VERSION}; upgrade pcsim"
                )
            arrays = {name: archive[name] for name in archive.files if name != _HEAD}
            origin, numbers = _ORIGIN.validate_python(head["origin"]), _NUMBERS.validate_python(head["numbers"])
            tomllib.loads(origin.scenario)  # it is compared by its keys
            return Checkpoint(origin, arrays, _Numbers(numbers, path), path, str(head.get("run_id", "")))
    except UsageError:
        raise
    except MemoryError as error:
        raise UsageError(f"{path}: {out_of_memory(error, 'free some')}") from None
    except Exception:  # zipfile, json and numpy raise nearly anything on damaged bytes
        raise UsageError(_damaged(path)) from None


def _is_plain(archive: zipfile.ZipFile, file: BinaryIO) -> bool:
    """Tell whether all members are as long as they claim and fit into the file: checkpoints are not compressed."""
    members = archive.infolist()
    stored = all(each.compress_type == zipfile.ZIP_STORED and each.file_size == each.compress_size for each in members)
    if not stored or sum(each.file_size for each in members) > os.fstat(file.fileno()).st_size:
        return False
    for each in members:
        if each.filename.endswith(".npy"):
            array_shape(archive, each.filename)
    return True


def _damaged(path: Path | None) -> str:
    return f"{path} is damaged or truncated; use another copy, or start training anew"


def other_files(name: str, what: str, there: str, here: str) -> str:
    """Return the refusal of data or weights that are not those that `name` was made with."""
    differ = f"SHA-256 {shortened(there)} there, {shortened(here)} here"
    return f"{name} was made with other {what} ({differ}); bring those back, or start anew with another name (-o)"


def first_difference(there: str, here: str, *, same_files: bool, but: Collection[str] = ()) -> str | None:
    """Return `"learning.lr is 0.1 there, 0.2 here"` for the first key, `but` for some, that two scenarios do not share.

    Where data and weights are the `same_files` by their digests, it is all one where they lie; else the end of one path
    must be the other.
    """
    old, new = ({**_BEFORE, **_by_key(tomllib.loads(text))} for text in (there, here))
    for key in (*old, *new):
        if key in but:
            continue
        if key in _FILES and key in old and key in new and (same_files or _same_path(old[key], new[key])):
            continue
        if old.get(key) != new.get(key):
            return f"{key} is {_shown(old.get(key))} there, {_shown(new.get(key))} here"
    return None


def _same_path(there: str, here: str) -> bool:
    """Tell whether an absolute path ends as a relative one: before there were digests all were absolute."""
    return f"/{there.strip(_QUOTES)}".endswith(f"/{here.strip(_QUOTES)}")


def _shown(value: str | None) -> str:
    if value is None:
        return "not set"
    return value if len(value) <= _LONGEST_VALUE else f"{value[: _LONGEST_VALUE - 1]}…"


def _by_key(table: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            found |= _by_key(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = toml_value(value)
    return found
