"""What a run tells the code that started it while it goes on, and how that code ends it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pcsim.interruption import StopRequest
from pcsim.trace.stream import RowBlock, Stream
from pcsim.trace.training import EPOCH, GROUP

Progress = Callable[[float, float], None]
"""Called now and then with the update, step or time and the last one: updates where there is training."""
Rows = Mapping[str, Any]
"""Rows by the names that they have in the trace, those of training without their group."""
Callback = Callable[[Rows], object]
"""What is told of rows, and may return "stop"."""
STOP = "stop"


@dataclass(frozen=True)
class Hooks:
    """The code that wants to know: of every epoch, of the rows of updates and of inference, and how far the run is."""

    on_epoch: tuple[Callback, ...] = ()
    on_rows: tuple[Callback, ...] = ()
    progress: Progress | None = None

    def and_of(self, on_epoch: Sequence[Callback], on_rows: Sequence[Callback]) -> "Hooks":
        """Return these, and others that are told first."""
        return Hooks((*on_epoch, *self.on_epoch), (*on_rows, *self.on_rows), self.progress)


NOBODY = Hooks()


@dataclass
class Teller:
    """Tells a run's hooks what happens, and hears what they want.

    An error in one ends the run as a signal does, and is raised when the trace is finished.
    """

    hooks: Hooks
    stop: StopRequest
    ended_by: str | None = field(default=None, init=False)
    """The callback that returned "stop", by its name in `pcsim.run`."""

    def rows(self, growing: Sequence[Stream], block: RowBlock) -> None:
        """Tell of rows that are in the trace."""
        epochs = growing[0].clock == EPOCH
        if not (self.hooks.on_epoch if epochs else self.hooks.on_rows):
            return
        rows = {s.path.removeprefix(f"{GROUP}/"): block.array(s.path) for s in growing}
        if not epochs:
            self._tell("on_rows", self.hooks.on_rows, rows)
            return
        for row in range(len(rows["epoch"])):
            one = {name: values[row].item() if values.ndim == 1 else values[row] for name, values in rows.items()}
            self._tell("on_epoch", self.hooks.on_epoch, one)

    def progress(self, now: float, end: float) -> None:
        """Say how far the run is."""
        if self.hooks.progress is None or self.stop.asked:
            return
        try:
            self.hooks.progress(now, end)
        except BaseException as error:
            self.stop.error = error

    def take_end(self) -> str | None:
        """Return the callback that has ended the part of the run that is over, and forget it."""
        ended, self.ended_by = self.ended_by, None
        return ended

    def _tell(self, name: str, callbacks: Sequence[Callback], rows: Rows) -> None:
        for callback in callbacks:
            if self.stop.error is not None:
                return
            try:
                if callback(rows) == STOP:
                    self.ended_by = name
            except BaseException as error:
                self.stop.error = error


def hooks_of(progress: Progress | None, on_epoch: Callback | None, on_rows: Callback | None) -> Hooks:
    """Return what was given, as far as it was."""
    return Hooks(_those(on_epoch), _those(on_rows), progress)


def _those(callback: Callback | None) -> tuple[Callback, ...]:
    return () if callback is None else (callback,)
