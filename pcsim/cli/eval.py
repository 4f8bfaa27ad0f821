"""`pcsim eval`: how good a trained network is on the data of its scenario."""

from pathlib import Path

import click

from pcsim.cli.options import allow_option, json_option, note, overrides_option, print_json
from pcsim.cli.terminal import PrintableConsole
from pcsim.recorded.evaluation import evaluate
from pcsim.report.run_dict import scores_dict
from pcsim.report.scores import score_table
from pcsim.report.tables import print_table


@click.command("eval", short_help="Evaluate a trained network on its data.")
@click.argument("weights", type=click.Path(path_type=Path))
@click.option("--scenario", metavar="SCENARIO", help="The scenario, in place of the one that WEIGHTS holds.")
@click.option("--backend", metavar="NAME", help="Backend to evaluate on; pcsim backends lists them.")
@click.option("--precision", metavar="NAME", help="float32, float64; on jax also bfloat16.")
@overrides_option("Override a key of the scenario, e.g. --set data.file=other.npz; may be repeated.")
@allow_option
@json_option
def command(
    weights: Path,
    scenario: str | None,
    backend: str | None,
    precision: str | None,
    overrides: tuple[str, ...],
    allow: tuple[str, ...],
    as_json: bool,
) -> None:
    """Print loss and accuracy of WEIGHTS, a weights file or a trace, on training, validation and test samples."""
    scores = evaluate(
        weights, overrides, scenario=scenario, backend=backend, precision=precision, allow=allow, tell=note
    )
    if as_json:
        print_json(scores_dict(scores))
        return
    for line in scores.scenario.notes:
        note(line)
    place = scores.scenario.backend
    console = PrintableConsole()
    console.print(f"{scores.source}, {place.precision_name} on {place.name}", soft_wrap=True)
    print_table(score_table(scores), console)
