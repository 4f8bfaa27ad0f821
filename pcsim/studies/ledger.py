"""What is kept of a study while it runs: the rows of runs that are over, and places for those under way."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pcsim.errors import UsageError
from pcsim.studies.place import NOWHERE, Place
from pcsim.studies.row_journal import RowJournal
from pcsim.studies.rows import Row
from pcsim.words import count


class Ledger:
    """Rows by their keys: those known from before, and those that come; on disk where a study is written."""

    def __init__(
        self, study: Path | None = None, *, known: Iterable[Row] = (), keep: bool = False, places: bool = False
    ) -> None:
        """Open the ledger beside a study, with the rows in it where it is to `keep` them; UsageError if it cannot.

        With `places`, runs under way are on disk.
        """
        self.study = study
        self._known = {row.key: row for row in known if not row.again}
        self._journal = None if study is None else RowJournal(study, keep=keep)
        self._folder = None if study is None or not places else study.with_name(f"{study.name}.runs")

    def known(self, key: str) -> Row | None:
        """Return the row of a run that is over, None of any other."""
        return self._known.get(key)

    def require_only(self, keys: Iterable[str]) -> None:
        """Raise `UsageError` where rows are known of runs that are not among these: they would be lost."""
        others = len(self._known.keys() - set(keys))
        if others:
            raise UsageError(
                f"{self.study} holds {count(others, 'run')} that this scenario does not make; resume with the "
                "scenario it was made with, or write elsewhere with -o"
            )

    def keep(self, row: Row) -> None:
        """Note a row; RunFailed where the disk does not take it."""
        if self._journal is not None:
            self._journal.append(row)
        self.place(row.key).clear()
        self._known[row.key] = row

    def place(self, key: str) -> Place:
        """Return where the run of a key is written."""
        return NOWHERE if self._folder is None else Place(self._folder / f"{key}.h5")

    def close(self, *, whole: bool) -> None:
        """Close it; where the study is written as a `whole`, nothing is needed beside it any more."""
        if self._journal is not None:
            self._journal.close(remove=whole)
        if whole and self._folder is not None:
            with suppress(OSError):  # a run that was interrupted is in it
                self._folder.rmdir()
