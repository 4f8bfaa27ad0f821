"""How far training has come, who is told of it, and how it ended."""

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from pcsim.learning.trainer import Snapshot
from pcsim.trace.training import EpochBlock, EvaluationBlock, UpdateBlock
from pcsim.typing import NDArray


@dataclass(frozen=True)
class TrainingState:
    """Where training stands between two epochs: enough to go on from there to the bit."""

    snapshot: Snapshot
    epoch: int = 0
    best_score: float = np.inf
    """What early stopping goes by, smaller is better: a loss, or an accuracy with its sign changed."""
    best: tuple[dict[str, NDArray[Any]], ...] | None = None
    best_epoch: int = 0
    waited: int = 0
    seconds: float = 0.0


@runtime_checkable
class Log(Protocol):
    """Where a training run reports to."""

    def updates(self, block: UpdateBlock) -> None:
        """Note consecutive updates."""
        ...

    def epoch(self, block: EpochBlock) -> None:
        """Note the measures of an epoch."""
        ...

    def evaluation(self, block: EvaluationBlock) -> None:
        """Note measures between two updates."""
        ...

    def checkpoint(self, state: TrainingState) -> None:
        """Keep where training stands."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the epoch under way is to be the last."""
        ...


@dataclass(frozen=True)
class TrainingResult:
    """How training ended: the parameters, and a sentence if it failed."""

    parameters: tuple[dict[str, NDArray[Any]], ...]
    epochs: int
    kept: int
    """The epoch whose end they are of; where training was broken off they are of the last update."""
    updates: int
    seconds: float
    stopped_early: bool = False
    interrupted: bool = False
    failure: str | None = None
    silent: tuple[int, ...] = field(default=())
    """Layers that had no signal in any update of the last epoch."""
