"""What commands print, the one way to the terminal: text may come from anywhere, and is shown instead of obeyed."""

from collections.abc import Iterable

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from pcsim.words import printable


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a line."""
    click.echo(printable(text), err=err, nl=nl)


class PrintableConsole(Console):
    """A console that prints texts as they are: titles and paths are the user's, not markup."""

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__(quiet=quiet, markup=False, emoji=False, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of something to print, those of text printable."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)
