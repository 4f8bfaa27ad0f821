"""Files of figures: whole or not there, and in the place of none but figures that pcsim drew."""

from pathlib import Path

from pcsim.errors import UsageError
from pcsim.trace.atomic import remove_leftovers, replacing

MARK = "figure drawn by pcsim"
METADATA = {".png": {"Software": MARK}, ".pdf": {"Creator": MARK}, ".svg": {"Creator": MARK}}
"""What tells a figure of pcsim from others, as Matplotlib writes it, by the ending."""
_LARGEST = 2**28


def check_replaceable_figure(path: Path, *, force: bool) -> None:
    """Raise `UsageError` where a file is there that pcsim did not draw, unless `force` allows to replace it."""
    try:
        if not path.exists() or (force and path.is_file()):
            return
        if not path.is_file():
            raise UsageError(f"{path} is not a regular file; choose another name with -o")
        if path.stat().st_size <= _LARGEST and MARK.encode() in path.read_bytes():
            return
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); choose another place with -o") from error
    raise UsageError(f"{path} exists, and pcsim did not draw it; choose another name with -o or add --force")


def write_figure(path: Path, drawn: bytes, *, force: bool) -> None:
    """Write a figure; raises `UsageError` as `check_replaceable_figure` does and where it cannot be written."""
    target = path.resolve()
    check_replaceable_figure(path, force=force)
    remove_leftovers(target)
    try:
        with replacing(target, synced=False) as temporary, temporary.open("xb") as file:
            file.write(drawn)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); choose another place with -o") from error
