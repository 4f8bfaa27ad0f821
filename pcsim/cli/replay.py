"""`pcsim replay`: play a trace, or verify it."""

from pathlib import Path

import click

from pcsim.cli.options import allow_option, note
from pcsim.cli.terminal import PrintableConsole, echo
from pcsim.errors import DeviationFound
from pcsim.recorded.verification import Verification, verify
from pcsim.report.replay import replay
from pcsim.trace import open_trace
from pcsim.words import count, layers


@click.command("replay", short_help="Play a trace in the terminal, or verify it by simulating again.")
@click.argument("trace", type=click.Path(path_type=Path))
@click.option("--verify", "verifying", is_flag=True, help="Simulate again and report the largest deviation per layer.")
@click.option("--backend", metavar="NAME", help="With --verify: simulate on this backend.")
@click.option("--precision", metavar="NAME", help="With --verify: simulate in this precision.")
@allow_option
@click.option("--speed", type=click.FloatRange(min=0, min_open=True), default=1.0, help="Play faster or slower.")
def command(
    trace: Path, verifying: bool, backend: str | None, precision: str | None, allow: tuple[str, ...], speed: float
) -> None:
    """Play the layerwise energies of TRACE; exit code 3 if --verify finds a deviation."""
    if not verifying and (backend or precision or allow):
        raise click.UsageError("--backend, --precision and --allow belong to --verify; add it")
    with open_trace(trace) as opened:
        if not verifying:
            replay(opened, PrintableConsole(), speed)
            return
        report(verify(opened, backend=backend, precision=precision, allow=allow, tell=note), trace)


def report(result: Verification, path: Path) -> None:
    """Print the deviation of every layer; raise `DeviationFound` if one is too large."""
    for name, deviation in zip(result.layer_names, result.deviation, strict=True):
        mark = "" if deviation <= result.tolerance else "  differs"
        echo(f"{name:10}  {deviation:.1e}{mark}")
    allowed = "the same bits" if result.tolerance == 0 else f"at most {result.tolerance:.0e}"
    if not result.agrees:
        bad = sum(bool(d > result.tolerance) for d in result.deviation)
        raise DeviationFound(
            f"{path}: {bad} of {len(result.deviation)} layers differ from a new simulation; expected {allowed}"
        )
    if result.other_arrivals:
        echo(
            f"note: the signal reaches {layers(result.other_arrivals)} earlier or later than in the trace; "
            f"pcsim compare shows what a precision loses"
        )
    if result.data is not None:
        echo(f"note: {result.data}")
    if result.rounded_to is not None:
        echo(f"note: simulated from the parameters of the trace, which are rounded to {result.rounded_to}")
    if result.trained:
        echo("note: inference was simulated again with the trained parameters; training was not repeated")
    echo(f"{path}: verified, {count(result.rows, 'row')} of {', '.join(result.compared)} ({allowed})")
