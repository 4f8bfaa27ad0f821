"""`pcsim compare`: one scenario in several precisions, forms and backends."""

from pathlib import Path

import click

from pcsim.cli.options import (
    allow_option,
    jobs_option,
    json_option,
    output_option,
    overrides_option,
    print_json,
    read,
    scenario_argument,
    seed_option,
    stem_of,
)
from pcsim.cli.terminal import PrintableConsole
from pcsim.errors import RunFailed, UsageError
from pcsim.extensions import import_allowed
from pcsim.model.arithmetic import NARROW
from pcsim.report.comparison_plot import check_comparison_figure, plot_comparison
from pcsim.report.comparison_report import print_comparison, verdicts
from pcsim.report.comparison_table import as_dict, write_table
from pcsim.runs.comparison import compare


@click.command("compare", short_help="Run a scenario in several precisions, forms and backends, and compare.")
@scenario_argument
@click.option("--backend", metavar="B,…", help="Backends, separated by commas.")
@click.option("--precision", metavar="P,…", help="Precisions, e.g. float16,float32,float64,exact.")
@click.option("--form", metavar="F,…", help="standard,increment: forms of state optimization.")
@overrides_option("Override a key; may be repeated.")
@seed_option
@output_option("Folder for traces, table and figure, or the figure alone: .png, .pdf or .svg.")
@jobs_option("Long runs at a time, in processes of their own; without it as many as there are cores.")
@allow_option
@click.option("--full", is_flag=True, help="Print arrivals and errors of every layer, too.")
@json_option
@click.option("--force", is_flag=True, help="Replace existing traces.")
def command(
    scenario: str,
    backend: str | None,
    precision: str | None,
    form: str | None,
    overrides: tuple[str, ...],
    seed: int | None,
    output: Path | None,
    jobs: int | None,
    allow: tuple[str, ...],
    full: bool,
    as_json: bool,
    force: bool,
) -> None:
    """Run SCENARIO under each combination and refer all to the most precise one.

    Prints what each format made of the signal, then layers reached and relative errors in a line a run; writes one
    trace each, all numbers as CSV, and one figure.
    """
    import_allowed(allow)
    precisions = _words("--precision", precision)
    # Options of narrow formats belong to one; wider combinations drop them.
    narrow = next((word for word in precisions or () if word in NARROW), None)
    reading = read(scenario, quiet=as_json, overrides=overrides, precision=narrow, seed=seed)
    folder, figure = check_comparison_figure(output, Path(f"{stem_of(scenario)}-compare"), force=force)
    table = folder / "compare.csv"
    if table.exists() and not force:
        raise UsageError(f"{table} exists; choose another folder with -o or add --force")
    console = PrintableConsole()
    with compare(
        reading,
        backend=_words("--backend", backend),
        precision=precisions,
        form=_words("--form", form),
        folder=folder,
        force=force,
        jobs=jobs,
    ) as comparison:
        plot_comparison(comparison, figure, force=force)
        write_table(comparison, table, force=force)
        places = {"traces": str(folder), "table": str(table), "figure": str(figure)}
        if as_json:
            print_json(as_dict(comparison) | {"verdicts": verdicts(comparison)} | places)
        else:
            print_comparison(comparison, console, full=full)
            for what, where in places.items():
                console.print(f"{what}: {where}", highlight=False, soft_wrap=True)
        failed = [label for label, t in zip(comparison.labels, comparison.traces, strict=True) if t.status == "failed"]
        if failed:
            raise RunFailed(f"{len(failed)} of {len(comparison.traces)} runs failed: {', '.join(failed)}")


def _words(option: str, text: str | None) -> list[str] | None:
    if text is None:
        return None
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise click.UsageError(f"{option} '{text}' names nothing; give words separated by commas")
    return words
