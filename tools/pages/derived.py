"""Files that are derived from something else: written where they are out of date, or only looked at with `--check`."""

import argparse
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


def refresh(files: Mapping[Path, str], description: str | None) -> int:
    """Write the files whose text differs and return 0; with `--check` on the command line return 1 if there are any."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="change nothing, fail if a file is out of date")
    arguments = parser.parse_args()
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        print(f"{'out of date' if arguments.check else 'written'}: {path.relative_to(ROOT)}")
        if not arguments.check:
            path.write_text(files[path])
    return int(arguments.check and bool(stale))
