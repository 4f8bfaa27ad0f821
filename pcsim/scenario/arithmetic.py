"""The `[backend]` table: where a run happens and in which arithmetic."""

from typing import Annotated, Any, Literal, Self

from pydantic import model_validator

from pcsim.errors import ScenarioError
from pcsim.model.arithmetic import is_exact
from pcsim.scenario.fields import Allowed, AtLeastTwo, Count, Table, Word
from pcsim.scenario.synonyms import closest
from pcsim.scenario.toml_text import toml_value, value_or_word


class Bits(Table):
    """A precision of so many bits, `precision = { bits = 256 }`, on the exact backend."""

    bits: AtLeastTwo
    """Bits of the significand."""


NamedPrecision = Literal["exact", "float16", "bfloat16", "float32", "float64"]
PRECISION = Allowed("one of " + ", ".join(NamedPrecision.__args__) + ", or { bits = 256 }", NamedPrecision.__args__)


class BackendTable(Table):
    """Where the run happens and in which arithmetic (`[backend]`)."""

    name: Word = "numpy"
    """The backend; `pcsim backends` lists those that can be used here."""
    precision: Annotated[NamedPrecision | Bits, PRECISION] = "float32"
    """Arithmetic of the run; exact and { bits = 256 } belong to the exact backend."""
    devices: Count = 1
    """Devices that share the samples of every batch in training, each the same number of them (docs/scaling.md)."""

    @model_validator(mode="before")
    @classmethod
    def _imply_precision(cls, given: Any) -> Any:
        if isinstance(given, dict) and "precision" not in given and given.get("name") == "exact":
            return {**given, "precision": "exact"}
        return given

    @property
    def precision_name(self) -> str:
        """The precision as a user types it: a word, or `{ bits = 256 }`."""
        return self.precision if isinstance(self.precision, str) else toml_value(self.precision.model_dump())

    def replaced(self, name: str | None, precision: str | None) -> Self:
        """Return this table with another name, another precision or both.

        Raises `ScenarioError` for an unknown precision.
        """
        changed: dict[str, Any] = {
            "name": name or implied_backend(precision) or self.name,
            "precision": (name != self.name and implied_precision(name)) or self.precision,
            "devices": self.devices,
        }
        try:
            if precision is not None:
                changed["precision"] = value_or_word(precision)
            return self.model_validate(changed)
        # ValidationError is a ValueError, too
        except ValueError:
            close = closest(str(precision), PRECISION.words)
            hint = f"; did you mean '{close}'?" if close else ""
            raise ScenarioError([f'precision "{precision}" is not allowed; give {PRECISION.phrase}{hint}']) from None


def implied_precision(backend: str | None) -> str | None:
    """Return the precision that a backend alone stands for, if any."""
    return "exact" if backend == "exact" else None


def implied_backend(precision: str | None) -> str | None:
    """Return the backend that a precision alone stands for, if any."""
    return "exact" if precision is not None and is_exact(precision) else None
