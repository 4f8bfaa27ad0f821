"""What a trace tells about training: arrays by name, each read when it is asked for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pcsim.trace.rows import clock_of
from pcsim.trace.tables import frame_of
from pcsim.trace.training import GROUP
from pcsim.typing import NDArray
from pcsim.words import Shown, count


class History(Mapping[str, NDArray[Any]], Shown):
    """Arrays of a training run by name, (update), (update, layer) or (epoch); empty where nothing was trained.

    `update` and `epoch` number the rows of the others.
    """

    def __init__(self, names: tuple[str, ...], read: Callable[[str], NDArray[Any]], layers: Sequence[str]) -> None:
        self._names = names
        self._read = read
        self._layers = layers

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._names:
            raise KeyError(name)
        return self._read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        if not self._names:
            return "<History: nothing was trained>"
        far = f"{count(len(self['epoch']), 'epoch')}, {count(len(self['update']), 'update')}"
        return f"<History of {far}: {', '.join(self._names)}>"

    def to_dataframe(self, clock: str = "epoch") -> Any:
        """Return the rows of epochs, or along another `clock`, "update" or "evaluation", as a `pandas.DataFrame`.

        Its columns are (name, layer name), the latter empty for what has no layers: `frame["test_loss"]`,
        `frame["cosine"]`. Raises `UsageError` where pandas is not installed.
        """
        return frame_of(self.rows_along(clock), clock, self._layers)

    def rows_along(self, clock: str) -> dict[str, NDArray[Any]]:
        """Return the arrays whose rows follow a clock, itself among them; none where there is no such clock."""
        path = f"{GROUP}/{clock}"
        return {name: self[name] for name in self._names if clock_of(f"{GROUP}/{name}", "") == path}
