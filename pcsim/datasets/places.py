"""Where data sets are looked for: a file or folder of the user's, else the data folder; nothing is downloaded."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from pcsim.datasets.archive import unreadable
from pcsim.errors import UsageError
from pcsim.resources import expanded


def user_data_dir() -> Path:
    """Return the folder data sets are looked for in: PCSIM_DATA, else pcsim in the user's data folder."""
    chosen = os.environ.get("PCSIM_DATA")
    if chosen:
        return expanded(chosen)
    shared = Path(os.environ.get("XDG_DATA_HOME", ""))
    # the XDG specification has relative paths ignored
    return (shared if shared.is_absolute() else expanded("~/.local/share")) / "pcsim"


def located(
    name: str,
    file: Path | None,
    search: Callable[[Path], Path | None],
    looked_for: Sequence[str],
    needed: str,
    origin: str | None = None,
) -> Path:
    """Return a file of the user's as it is, or what `search` finds in a folder of hers or, None, in `user_data_dir()`.

    For the error where nothing is found: what was `looked_for` in the folder, what is `needed`, and the `origin`, where
    that can be had, in words. Raises `UsageError` then, and for a folder that cannot be read.
    """
    folder = user_data_dir() if file is None else file
    try:
        if file is not None and not file.is_dir():
            return file
        found = search(folder)
    except OSError as error:
        raise unreadable(folder, error, needed) from None
    if found is None:
        had = "" if origin is None else f" ({origin})"
        raise UsageError(
            f"data set '{name}' not found: looked in {folder} for {', '.join(looked_for)}; set data.file to {needed}"
            f"{had}, or PCSIM_DATA to the folder it lies in"
        )
    return found


def first_folder(folder: Path, names: Sequence[str], holds: Callable[[Path], bool]) -> Path | None:
    """Return the first of a folder and those below it with some names that holds what is looked for."""
    return next((place for place in (folder, *(folder / name for name in names)) if holds(place)), None)
