"""How a figure is to look: how wide, with which panels, for the screen or for a paper."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pcsim.errors import UsageError, did_you_mean

PANELS = {
    "training": ("curves", "updates"),
    "alignment": ("cosine", "change"),
    "inference": ("energy", "heat"),
    "completion": ("samples", "errors"),
}
"""The panels of every row of a figure, left to right."""
SCREEN_WIDTH = 11.0
"""Inches of a row of two panels."""
NARROWEST_PANEL = 2.5
"""Inches below which panels stand one below the other."""
STYLES = ("screen", "paper")
_INCHES = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72}


@dataclass(frozen=True)
class Style:
    """`width` in inches, None for one that suits a screen; `panels` are those wanted, none for all."""

    width: float | None = None
    title: bool = True
    panels: tuple[str, ...] = ()
    paper: bool = False

    def chosen(self, kind: str) -> list[str]:
        """Return the panels of a kind of row that are wanted."""
        return [name for name in PANELS[kind] if name in self.panels or not self.panels]

    def grid(self, across: int) -> tuple[float, float, int]:
        """Return the width of a figure, the height of a panel, and how many stand side by side of `across`."""
        if self.width is None:
            return SCREEN_WIDTH * across / 2, 3.8, across
        beside = across if self.width / across >= NARROWEST_PANEL else 1
        return self.width, 0.68 * self.width / beside, beside


def style_of(width: float | str | None, title: bool, panels: Sequence[str] | str, style: str) -> Style:
    """Return the style for what a user says; raises `UsageError` for a word or a width that is none."""
    words = tuple(word.strip() for word in panels.split(",")) if isinstance(panels, str) else tuple(panels)
    known = [name for names in PANELS.values() for name in names]
    for word in filter(None, words):
        if word not in known:
            hint = did_you_mean(word, known)
            raise UsageError(f"panels: there is no panel '{word}'{hint or '; give some of ' + ', '.join(known)}")
    if style not in STYLES:
        raise UsageError(f"style: '{style}' is not allowed; give one of {', '.join(STYLES)}")
    return Style(None if width is None else _inches(width), title, tuple(filter(None, words)), style == "paper")


def _inches(width: float | str) -> float:
    found = re.fullmatch(r"\s*(\d*\.?\d+)\s*(in|cm|mm|pt)?\s*", str(width))
    inches = float(found[1]) * _INCHES[found[2] or "in"] if found else 0.0
    if not 1.0 <= inches <= 100.0:
        raise UsageError(f"width: '{width}' is not allowed; give 1in to 100in, as in 3.4in, 8.6cm or 86mm")
    return inches
