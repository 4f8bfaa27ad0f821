"""The types of scenario values, each with the phrase that tells a user what it takes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, WithJsonSchema
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, core_schema

from pcsim.extensions import KINDS, lender, names

# TOML promises 64-bit integers, and so do the attributes of a trace
LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Allowed:
    """What a key takes: a phrase that can follow "give", and the words when it takes one of a few.

    It is `open` where there may be further words, a user's own.
    """

    phrase: str
    words: tuple[str, ...] = ()
    open: bool = False


@dataclass(frozen=True)
class OpenWord:
    """One of the words of a kind that ship, or a user's own; the JSON Schema names those that ship.

    Words of another package, where the kind has such, are known to the backends that take them.

    The context of a validation may be a set of further words, those of a text that a run has written: whether anything
    is registered by them is asked when they are to run again.
    """

    kind: str

    @property
    def allowed(self) -> Allowed:
        """The words there are now."""
        words = (*KINDS[self.kind].shipped, *names(self.kind))
        lent = "".join(f", or {package}.NAME by a name of that package" for package in KINDS[self.kind].lenders)
        phrase = "one of " + ", ".join(words) + lent if words else f"the name of a {self.kind} that is registered"
        return Allowed(phrase, words, open=True)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        words = list(KINDS[self.kind].shipped)
        shipped = ({"enum": words} if words else {}) | {"type": "string"}
        lent = [{"pattern": rf"^{package}\.", "type": "string"} for package in KINDS[self.kind].lenders]
        return {"anyOf": [shipped, *lent]} if lent else shipped

    def _check(self, value: Any, info: core_schema.ValidationInfo) -> str:
        if not isinstance(value, str):
            raise ValueError
        if value in KINDS[self.kind].shipped or value in (info.context or ()) or lender(self.kind, value) is not None:
            return value
        # What is installed is looked for last: that takes longer than all the rest.
        if value in names(self.kind):
            return value
        raise ValueError


@dataclass(frozen=True)
class Inconsistency:
    """Keys (dotted, the one to change first) that do not go together, and the sentence that says why."""

    keys: tuple[str, ...]
    text: str


class Table(BaseModel):
    """Base of every table: immutable, no unknown keys, finite numbers only."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_default=False,
        use_attribute_docstrings=True,
    )

    @classmethod
    def needed(cls) -> list[str]:
        """Return the keys that cannot be left out."""
        return [name for name, field in cls.model_fields.items() if field.is_required()]


def clash(choice: str, other: str, advice: str) -> Inconsistency:
    """Return that a choice, as in `inference.clamp = "soft"`, does not go with another, and what to do instead.

    Both begin with their key. That of the other, which may go on to say why, is one of the same table unless it has a
    table of its own, or is a whole one in brackets.
    """
    key, named = (text.partition(" ")[0].rstrip(",") for text in (choice, other))
    whole = "." in named or named.startswith("[")
    partner = named.strip("[]") if whole else f"{key.split('.')[0]}.{named}"
    return Inconsistency((key, partner), f"{choice} does not go with {other}; {advice}")


def require_consistent(found: list[Inconsistency]) -> None:
    """Raise one validation error that carries every inconsistency found, or return when there is none."""
    if found:
        text = "; ".join(each.text for each in found)
        raise PydanticCustomError("inconsistent", "{text}", {"text": text, "found": found})


def allowed_by(field: FieldInfo) -> Allowed:
    """Return what a field takes: its own phrase, or the words of its literal."""
    for item in field.metadata:
        if isinstance(item, Allowed):
            return item
        if isinstance(item, OpenWord):
            return item.allowed
    if get_origin(field.annotation) is Literal:
        words: tuple[str, ...] = get_args(field.annotation)
        return Allowed("one of " + ", ".join(words), words)
    return Allowed("a table of keys")


def _not_empty(value: Any) -> Any:
    # Path("") is the current folder, which nobody means
    if not value:
        raise ValueError
    return value


LEAKY = "leaky_relu"
"""The activation that takes a negative_slope."""
MOST_LAYERS = 100_000

Count = Annotated[int, Field(strict=True, ge=1, le=LARGEST), Allowed("a whole number, 1 or more")]
CountOrZero = Annotated[int, Field(strict=True, ge=0, le=LARGEST), Allowed("a whole number, 0 or more")]
AtLeastTwo = Annotated[int, Field(strict=True, ge=2, le=LARGEST), Allowed("a whole number, 2 or more")]
Number = Annotated[float, Field(strict=True), Allowed("a number")]
Positive = Annotated[float, Field(strict=True, gt=0), Allowed("a number greater than 0")]
NonNegative = Annotated[float, Field(strict=True, ge=0), Allowed("a number, 0 or more")]
Fraction = Annotated[float, Field(strict=True, ge=0, lt=1), Allowed("a number from 0 up to, but not including, 1")]
Flag = Annotated[StrictBool, Allowed("true or false")]
Text = Annotated[str, Field(strict=True), Allowed("a text in quotes")]
Word = Annotated[str, Field(strict=True, min_length=1), Allowed("a name in quotes")]
FilePath = Annotated[Path, BeforeValidator(_not_empty), Allowed("the path of a file, in quotes")]
SkipLength = Annotated[
    StrictBool | CountOrZero,
    AfterValidator(int),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 1}]}),
    Allowed("false, true or a length of 1 or more"),
]
DecayRate = Annotated[
    StrictBool | NonNegative,
    AfterValidator(float),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "number", "exclusiveMinimum": 0}]}),
    Allowed("false, true or a number greater than 0"),
]
