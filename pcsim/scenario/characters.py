"""Characters that are not to be seen or look like TOML's, and files of other kinds: what hides behind "not TOML"."""

import unicodedata

from pcsim.scenario.locate import Position

_LINE_ENDS = {"\r": "CR alone", "\x85": "NEL", "\u2028": "U+2028", "\u2029": "U+2029"}
_SIGNATURES = {
    b"\x89HDF": "an HDF5 file, such as a trace",
    b"PK\x03\x04": "a zip file, such as an .npz",
    b"\x1f\x8b": "a gzip file",
    b"\x89PNG": "a picture",
    b"%PDF": "a PDF",
}
_UTF_16 = "the text is UTF-16; save the file as UTF-8"
_QUOTES = "“”„‟‘’‚‛«»‹›＂＇"


def other_kind(raw: bytes) -> str | None:
    """Return what a file of another kind than text in UTF-8 is, by its first bytes."""
    for signature, what in _SIGNATURES.items():
        if raw.startswith(signature):
            return f"this is {what}, not a scenario"
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _UTF_16
    return None


def hidden_cause(text: str, place: Position) -> tuple[Position, str] | None:
    """Return where a text that is no TOML has a character that hides why, and what to do; None where it is no such.

    `place` is where the parser stopped, at the character that it could not take.
    """
    if text.count("\0") > len(text) // 4:
        return Position(1, 1), _UTF_16
    for sign, name in _LINE_ENDS.items():
        if sign in text and text.count(sign) >= text.count("\n"):
            return Position(1, 1), f"lines end with {name}; save the file with line ends LF or CRLF"
    found = text.split("\n")[place.line - 1][place.column - 1 : place.column]
    advice = _advice(found) if found else None
    return None if advice is None else (place, advice)


def _advice(character: str) -> str | None:
    kind, code = unicodedata.category(character), f"U+{ord(character):04X}"
    if kind == "Cc" and character != "\t":
        return f"here is a control character ({code}), which TOML does not allow; remove it"
    if character.isascii():
        return None
    if character in _QUOTES:
        return f"{character} is not TOML; use straight quotes"
    name = f"{unicodedata.name(character, 'character').lower()} ({code})"
    if kind in ("Cf", "Zl", "Zp", "Co"):
        return f"here is an invisible {name}; remove it"
    plain = unicodedata.normalize("NFKC", character)
    meant = "an ordinary space" if kind == "Zs" else "-" if kind == "Pd" or character == "−" else plain
    return f"here is a {name}; write {meant}" if meant.isascii() else None
