"""`pcsim results`: what came of the runs of a study."""

from pathlib import Path

import click

from pcsim.cli.options import output_option
from pcsim.cli.terminal import PrintableConsole
from pcsim.report.results import check_new_file, print_results, write_best, write_csv
from pcsim.report.results_plot import plot_results
from pcsim.studies import results


@click.command("results", short_help="Show what came of the runs of a study, the best first.")
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--best", type=click.IntRange(min=1), metavar="N", help="Show the best N alone.")
@click.option("--csv", type=click.Path(path_type=Path), metavar="FILE", help="Write a table with a row a run.")
@click.option(
    "--scenario", type=click.Path(path_type=Path), metavar="FILE", help="Write the best as a scenario, ready to run."
)
@output_option("Figure to write, .png, .pdf or .svg: what values came to what, and how much each matters.")
@click.option("--force", is_flag=True, help="Replace existing files.")
def command(
    study: Path, best: int | None, csv: Path | None, scenario: Path | None, output: Path | None, force: bool
) -> None:
    """Print means and standard deviations over seeds of the runs of STUDY, the best first, failed ones last."""
    for path in (csv, scenario):
        if path is not None:
            check_new_file(path, force=force)
    found, console = results(study), PrintableConsole()
    print_results(found, console, best)
    if csv is not None:
        write_csv(found, csv)
        console.print(f"table: {csv}", soft_wrap=True)
    if scenario is not None:
        write_best(found, scenario)
        console.print(f"scenario: {scenario}", soft_wrap=True)
    if output is not None:
        console.print(f"figure: {plot_results(found, output, force=force)}", soft_wrap=True)
