"""The backend under test, and what becomes of a task that it will not run."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar, cast

import pytest

from pcsim.conformance.cases import METHODS
from pcsim.engine.backend import Backend, Capabilities, Task, TrainingBackend
from pcsim.engine.registry import load_backend
from pcsim.errors import UsageError
from pcsim.learning.trainer import Trainer, TrainingTask

Made = TypeVar("Made")


@dataclass(frozen=True)
class Subject:
    """A backend under a name; backends that are registered under it can be asked for in a scenario."""

    name: str
    backend: Backend

    @cached_property
    def able(self) -> Capabilities:
        """What the backend claims."""
        return self.backend.capabilities()

    @property
    def forms(self) -> list[str]:
        """The methods of discrete steps that it claims, in each of their forms."""
        return [form for form, kind in METHODS.items() if kind.name in self.able.methods]

    @property
    def precision(self) -> str:
        """The most precise of the precisions it claims."""
        return max(self.able.precisions, key=("bfloat16", "float16", "float32", "float64", "exact").index)

    def accepted(self, task: Task) -> Task:
        """Return a task that the backend will run; one that it refuses in the words of a limit ends the test."""
        return self._unless_refused(lambda: (self.backend.estimate(task), task)[1])

    def trainer(self, task: TrainingTask) -> Trainer:
        """Return a trainer on the backend; a task that it refuses in the words of a limit ends the test."""
        return self._unless_refused(lambda: cast("TrainingBackend", self.backend).trainer(task))

    def limit_met(self, ask: Callable[[], object]) -> str | None:
        """Return the limit in whose words a task is refused, None where it is accepted.

        Fails where it is refused in other words.
        """
        try:
            ask()
        except UsageError as error:
            for limit in self.able.limits:
                if limit in str(error):
                    return limit
            listed = "".join(f"\n  - {limit}" for limit in self.able.limits) or " none"
            raise AssertionError(
                f"'{self.name}' claims what it is asked for, and refuses it in words that its limits do not list:\n"
                f"  {error}\nlimits:{listed}"
            ) from error
        return None

    def _unless_refused(self, ask: Callable[[], Made]) -> Made:
        made = list[Made]()
        met = self.limit_met(lambda: made.append(ask()))
        if met is not None:
            pytest.skip(f"refused, as listed: {met}")
        return made[0]


def subject_named(name: str) -> Subject:
    """Return an installed backend; raises `UsageError` where there is none of that name, or it cannot be used here."""
    subject = Subject(name, load_backend(name))
    if subject.able.problem is not None:
        raise UsageError(f"backend '{name}' cannot be used here: {subject.able.problem}; {subject.able.fix}")
    return subject
