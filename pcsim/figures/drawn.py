"""Figures that a notebook shows, whether or not pyplot was ever imported there."""

import io
from typing import Any

from pcsim.figures.own_settings import own_settings

DOTS = 100
"""An inch, on a screen."""


@own_settings()
def picture_of(figure: Any) -> bytes:
    """Return a figure as PNG, for a screen."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", backend="agg", dpi=DOTS)
    return drawn.getvalue()


def shown_figure(**options: Any) -> Any:
    """Return a new `matplotlib.figure.Figure` that is its own picture where a notebook asks for one."""
    # Matplotlib takes half a second to import, and not every run draws.
    from matplotlib.figure import Figure

    class Drawn(Figure):
        def _repr_png_(self) -> bytes:
            return picture_of(self)

    return Drawn(**options)
