"""`pcsim compare`: one scenario in several precisions, forms and backends."""

from pathlib import Path

import click

from pcsim.cli.options import allow_option, jobs_option, output_option, overrides_option, read, seed_option, stem_of
from pcsim.cli.terminal import PrintableConsole
from pcsim.errors import RunFailed
from pcsim.extensions import import_allowed
from pcsim.model.arithmetic import NARROW
from pcsim.report.comparison_plot import check_comparison_figure, plot_comparison
from pcsim.report.comparison_report import print_comparison
from pcsim.runs.comparison import compare


@click.command("compare", short_help="Run a scenario in several precisions, forms and backends, and compare.")
@click.argument("scenario")
@click.option("--backend", metavar="B,…", help="Backends, separated by commas.")
@click.option("--precision", metavar="P,…", help="Precisions, e.g. float16,float32,float64,exact.")
@click.option("--form", metavar="F,…", help="standard,increment: forms of state optimization.")
@overrides_option("Override a key; may be repeated.")
@seed_option
@output_option("Folder for traces and figure; without it, the scenario's name with -compare.")
@jobs_option("Long runs at a time, in processes of their own; without it as many as there are cores.")
@allow_option
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
    force: bool,
) -> None:
    """Run SCENARIO under each combination and refer all to the most precise one.

    Prints arrival steps and relative errors of the energies by layer; writes one trace each, and one figure.
    """
    import_allowed(allow)
    precisions = _words("--precision", precision)
    # Options of narrow formats belong to one; wider combinations drop them.
    narrow = next((word for word in precisions or () if word in NARROW), None)
    reading = read(scenario, overrides=overrides, precision=narrow, seed=seed)
    folder = output or Path(f"{stem_of(scenario)}-compare")
    figure = check_comparison_figure(folder, force=force)
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
        print_comparison(comparison, console)
        console.print(f"traces: {folder}", highlight=False, soft_wrap=True)
        drawn = plot_comparison(comparison, figure, force=force)
        console.print(f"figure: {drawn}", highlight=False, soft_wrap=True)
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
