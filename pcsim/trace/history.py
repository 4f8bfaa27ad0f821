"""What a trace tells about training: arrays by name, each read when it is asked for."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pcsim.typing import NDArray


class History(Mapping[str, NDArray[Any]]):
    """Arrays of a training run by name, (update), (update, layer) or (epoch); empty where nothing was trained.

    `update` and `epoch` number the rows of the others.
    """

    def __init__(self, names: tuple[str, ...], read: Callable[[str], NDArray[Any]]) -> None:
        self._names = names
        self._read = read

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._names:
            raise KeyError(name)
        return self._read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
