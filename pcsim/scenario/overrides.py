"""Values given at the command line: `--set key=value`, `--backend`, `--precision`, `--seed`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pcsim.errors import ScenarioError, UsageError
from pcsim.scenario.arithmetic import implied_backend, implied_precision
from pcsim.scenario.toml_text import value_or_word

_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_EXAMPLE = "--set wants key=value, as in --set inference.steps=100"


@dataclass(frozen=True)
class Override:
    """One value from the command line, and how the user typed it."""

    path: tuple[str, ...]
    value: Any
    typed: str

    def as_tree(self) -> dict[str, Any]:
        """Return nested tables that hold this one value."""
        tree = self.value
        for part in reversed(self.path):
            tree = {part: tree}
        return tree


def parse_overrides(texts: str | Sequence[str]) -> list[Override]:
    """Return the overrides that a user typed as `key=value`, one or several.

    Raises ScenarioError with one line for each that cannot be read.
    """
    found: list[Override] = []
    problems: list[str] = []
    if isinstance(texts, Mapping) or not isinstance(texts, str | Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"overrides are texts, as in 'inference.steps=3', one or several, not {type(texts).__name__}")
    for text in (texts,) if isinstance(texts, str) else texts:
        try:
            found.append(_parse(text))
        except ValueError as error:
            problems.append(f"--set {text}: {error}")
    if problems:
        raise ScenarioError(problems)
    return found


def keyword_overrides(
    given: Sequence[Override], backend: str | None, precision: str | None, seed: int | None
) -> list[Override]:
    """Return the overrides that the options for backend, precision and seed stand for.

    The precision "exact" alone means the exact backend, unless one is `given` by name, and the other way round.
    Raises ScenarioError for a precision that cannot be read.
    """
    found: list[Override] = []
    if precision is not None:
        typed = f"--precision {precision}"
        try:
            found.append(Override(("backend", "precision"), value_or_word(precision), typed))
        except ValueError as error:
            raise ScenarioError([f"{typed}: {error}"]) from None
        named = any(each.path == ("backend", "name") for each in given)
        if (implied := implied_backend(precision)) and not named:
            found.append(Override(("backend", "name"), implied, typed))
    if backend is not None:
        found.append(Override(("backend", "name"), backend, f"--backend {backend}"))
        if (implied := implied_precision(backend)) and precision is None:
            found.append(Override(("backend", "precision"), implied, f"--backend {backend}"))
    if seed is not None:
        found.append(Override(("seed",), seed, f"--seed {seed}"))
    return found


def _parse(text: str) -> Override:
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not _KEY.fullmatch(key):
        raise ValueError(_EXAMPLE)
    if not value:
        raise ValueError("there is no value after '='")
    if key == "extends":
        raise ValueError("extends can only be written in a file")
    return Override(tuple(key.split(".")), value_or_word(value), f"--set {text}")
