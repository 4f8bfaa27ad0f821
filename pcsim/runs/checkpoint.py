"""Checkpoints: all that training needs to go on bit for bit, in one `.npz` beside the trace, replaced at once."""

import json
import tomllib
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from pcsim.errors import RunFailed, UsageError, did_you_mean
from pcsim.scenario.toml_text import toml_value
from pcsim.trace.files import replace_synced, sync, temporary_beside
from pcsim.trace.space import release_reserved, reserve, why
from pcsim.version import __version__

FORMAT = "pcsim-checkpoint"
FORMAT_VERSION = 1
_HEAD = "checkpoint.json"
_START_OF_ZIP = b"PK\x03\x04"
_LONGEST_VALUE = 60

Structure = dict[str, Any]
"""How nested tuples, lists and dicts were put together, for JSON; arrays by the name they are stored under."""


@dataclass(frozen=True)
class Origin:
    """The run that a checkpoint belongs to."""

    scenario: str
    """Resolved, as TOML."""
    backend: str
    precision: str
    versions: str
    """Of all packages that can change the last bits, as `describe_machine` names them."""


@dataclass(frozen=True)
class Checkpoint:
    """Where training stands, to the bit."""

    origin: Origin
    parameters: Mapping[str, NDArray[Any]]
    """By name: `W_0`, `b_0`, …"""
    memory: Any
    """Of the optimiser: tuples, lists, dicts with text as keys, arrays, numbers, None."""
    numbers: Mapping[str, int | float]
    """Epoch, updates, best loss, how long patience has been tried, …"""
    best: Mapping[str, NDArray[Any]] | None = None
    """The parameters to come back to, where early stopping keeps any."""
    path: Path | None = None
    """Where it was read from."""

    def check_fits(self, origin: Origin) -> str | None:
        """Raise UsageError, naming the first key that differs, where another run than `origin` made this.

        Returns a note where other versions of the packages made it, so that the last bits may differ.
        """
        difference = _first_difference(self.origin.scenario, origin.scenario)
        for name in ("backend", "precision"):
            there, here = getattr(self.origin, name), getattr(origin, name)
            difference = difference or (f"{name} is {there} there, {here} here" if there != here else None)
        name = self.path or "the checkpoint"
        if difference:
            raise UsageError(
                f"{name} is of another scenario: {difference}; resume with the scenario it was made with, "
                "or start anew with another name (-o)"
            )
        if self.origin.versions == origin.versions:
            return None
        return f"{name} was made with {self.origin.versions}, this is {origin.versions}: the last bits may differ"


def checkpoint_path(trace: Path) -> Path:
    """Return where the checkpoint of a trace lies: beside it, `TRACE.checkpoint`."""
    return trace.with_name(f"{trace.name}.checkpoint")


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Put a checkpoint at `path`, in place of the previous one at once when it is on disk as a whole.

    RunFailed where that cannot be done: the previous one is then as it was.
    """
    arrays: dict[str, NDArray[Any]] = {}
    best = None if checkpoint.best is None else dict(checkpoint.best)
    held = {"parameters": dict(checkpoint.parameters), "memory": checkpoint.memory, "best": best}
    head = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "pcsim_version": __version__,
        "origin": asdict(checkpoint.origin),
        "numbers": {name: _plain(value) for name, value in checkpoint.numbers.items()},
        **{name: _flat(value, name, arrays) for name, value in held.items()},
    }
    try:
        with temporary_beside(path) as temporary:
            with temporary.open("xb") as file:
                _write_archive(file, json.dumps(head), arrays)
            release_reserved(temporary)
            replace_synced(temporary, path)
    except OSError as error:
        kept = "the previous one is whole" if path.exists() else "there is none yet"
        raise RunFailed(f"{path}: the checkpoint could not be written ({why(error)}); {kept}") from None
    with suppress(OSError):  # some file systems cannot sync a folder
        sync(path.parent)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; UsageError, one line, for a missing, damaged or foreign file and for a newer format."""
    try:
        with path.open("rb") as file:
            is_zip = file.read(len(_START_OF_ZIP)) == _START_OF_ZIP
            return _read_archive(path, file if is_zip else None)
    except FileNotFoundError:
        others = [other.name for other in path.parent.glob("*.checkpoint")]
        raise UsageError(f"no checkpoint at {path}{did_you_mean(path.name, others)}") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None


def _write_archive(file: BinaryIO, head: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    objects = 1024 * (len(arrays) + 1)
    reserve(file.fileno(), len(head) + sum(array.nbytes for array in arrays.values()) + objects)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(_HEAD, head)
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _read_archive(path: Path, file: BinaryIO | None) -> Checkpoint:
    if file is None:
        raise UsageError(f"{path} is not a pcsim checkpoint")
    try:
        with zipfile.ZipFile(file) as archive:
            if archive.testzip() is not None:
                raise UsageError(_damaged(path))
            if _HEAD not in archive.namelist():
                raise UsageError(f"{path} is not a pcsim checkpoint")
            head = json.loads(archive.read(_HEAD))
            if head["format"] != FORMAT:
                raise UsageError(f"{path} is not a pcsim checkpoint")
            if head["format_version"] > FORMAT_VERSION:
                raise UsageError(
                    f"{path} is written in checkpoint format {head['format_version']}, this pcsim {__version__} "
                    f"reads up to {FORMAT_VERSION}; upgrade pcsim"
                )
            held = {name: _nested(head[name], archive) for name in ("parameters", "memory", "best")}
            return Checkpoint(origin=Origin(**head["origin"]), numbers=head["numbers"], path=path, **held)
    except UsageError:
        raise
    except Exception:  # zipfile, json and numpy raise nearly anything on damaged bytes
        raise UsageError(_damaged(path)) from None


def _damaged(path: Path) -> str:
    return f"{path} is damaged or truncated; use another copy, or start training anew"


def _flat(value: Any, path: str, arrays: dict[str, NDArray[Any]]) -> Structure:
    """Return how `value` is put together and collect its arrays, named by where they are in it.

    TypeError for what would come back as another type, subclasses of tuples and dicts too.
    """
    if hasattr(value, "dtype"):
        array = np.asarray(value)
        arrays[path] = _storable(array, path)
        return {"array": path, "dtype": array.dtype.name}
    if type(value) is dict:
        for key in value:
            if not isinstance(key, str) or "/" in key:
                raise TypeError(f"{path}: key {key!r}; a checkpoint holds dicts with text without '/' as keys")
        return {"dict": {key: _flat(item, f"{path}/{key}", arrays) for key, item in value.items()}}
    if type(value) in (tuple, list):
        return {type(value).__name__: [_flat(item, f"{path}/{i}", arrays) for i, item in enumerate(value)]}
    if value is None or isinstance(value, bool | int | float | str):
        return {"value": value}
    raise TypeError(f"{path}: a checkpoint cannot hold a {type(value).__name__}")


def _nested(structure: Structure, archive: zipfile.ZipFile) -> Any:
    """Return the value that `_flat` described."""
    kind = next(iter(structure))
    content = structure[kind]
    if kind == "array":
        with archive.open(f"{content}.npy") as member:
            array = np.lib.format.read_array(member, allow_pickle=False)
        name = structure["dtype"]
        return array if array.dtype.name == name else array.view(getattr(ml_dtypes, name))
    if kind == "dict":
        return {key: _nested(item, archive) for key, item in content.items()}
    if kind == "value":
        return content
    return {"tuple": tuple, "list": list}[kind](_nested(item, archive) for item in content)


def _storable(array: NDArray[Any], path: str) -> NDArray[Any]:
    """Return an array whose type `.npy` knows: bfloat16 and its like as unsigned integers of the same bits."""
    if array.dtype.kind in "biufc":
        return array
    if hasattr(ml_dtypes, array.dtype.name):
        return array.view(f"u{array.dtype.itemsize}")
    raise TypeError(f"{path}: a checkpoint cannot hold arrays of {array.dtype}")


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _first_difference(there: str, here: str) -> str | None:
    """Return `"learning.lr is 0.1 there, 0.2 here"` for the first key that two scenarios do not share."""
    old, new = (_by_key(tomllib.loads(text)) for text in (there, here))
    for key in (*old, *new):
        if old.get(key) != new.get(key):
            return f"{key} is {_shown(old.get(key))} there, {_shown(new.get(key))} here"
    return None


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
