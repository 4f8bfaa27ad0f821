"""`pcsim eval`: how good a trained network is on the data of its scenario."""

from pathlib import Path

import click

from pcsim.cli.options import allow_option, json_option, note, overrides_option, print_json
from pcsim.cli.terminal import PrintableConsole
from pcsim.recorded.evaluation import evaluate
from pcsim.recorded.predictions import check_predictions_target, write_predictions
from pcsim.report.run_dict import scores_dict
from pcsim.report.scores import confusion_table, score_table
from pcsim.report.tables import print_table


@click.command("eval", short_help="Evaluate a trained network on its data.")
@click.argument("weights", type=click.Path(path_type=Path))
@click.option("--scenario", metavar="SCENARIO", help="The scenario, in place of the one that WEIGHTS holds.")
@click.option("--backend", metavar="NAME", help="Backend to evaluate on; pcsim backends lists them.")
@click.option("--precision", metavar="NAME", help="float32, float64; on jax also bfloat16.")
@overrides_option("Override a key of the scenario, e.g. --set data.file=other.npz; may be repeated.")
@allow_option
@click.option("--layout", type=click.Choice(["pcsim", "torch"]), help="Order of the weights: torch is PyTorch's.")
@click.option("--predictions", type=click.Path(path_type=Path), metavar="FILE", help="Write answers and classes, .npz.")
@click.option("--confusion", is_flag=True, help="Print which class was taken for which, of the last part of the data.")
@click.option("--force", is_flag=True, help="Replace an existing file of predictions.")
@json_option
def command(
    weights: Path,
    scenario: str | None,
    backend: str | None,
    precision: str | None,
    overrides: tuple[str, ...],
    allow: tuple[str, ...],
    layout: str | None,
    predictions: Path | None,
    confusion: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Print loss and accuracy of WEIGHTS, a weights file or a trace, on training, validation and test samples."""
    if predictions is not None:
        check_predictions_target(predictions, force)
    if layout is not None:
        overrides = (*overrides, f'network.layout="{layout}"')
    scores = evaluate(
        weights, overrides, scenario=scenario, backend=backend, precision=precision, allow=allow, tell=note
    )
    if predictions is not None:
        write_predictions(scores, predictions, force=force)
    if as_json:
        print_json(scores_dict(scores))
        return
    for line in scores.scenario.notes:
        note(line)
    place = scores.scenario.backend
    console = PrintableConsole()
    console.print(f"{scores.source}, {place.precision_name} on {place.name}", soft_wrap=True)
    print_table(score_table(scores), console)
    part, score = list(scores.parts.items())[-1]
    if confusion and (table := confusion_table(score)) is not None:
        console.print(f"{part} samples by class (rows), and what each was taken for", soft_wrap=True)
        print_table(table, console)
    if predictions is not None:
        console.print(f"predictions: {predictions}", soft_wrap=True)
