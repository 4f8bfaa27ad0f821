"""Where files lie: the shipped scenarios and data, inside an installed package or beside it in a checkout; homes."""

from pathlib import Path

from pcsim.errors import UsageError

_PACKAGE = Path(__file__).parent


def scenario_dir() -> Path:
    """Return the folder of the shipped scenarios. Raises UsageError where the installation lacks it."""
    return _folder("scenarios")


def data_dir() -> Path:
    """Return the folder of the shipped data. Raises UsageError where the installation lacks it."""
    return _folder("data")


def expanded(path: str | Path) -> Path:
    """Return the path with a leading ~ replaced, or as it is where nobody knows that home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def _folder(name: str) -> Path:
    for folder in (_PACKAGE / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise UsageError(f"this installation of pcsim has no folder '{name}' in or beside {_PACKAGE}; install pcsim again")
