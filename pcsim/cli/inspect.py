"""`pcsim inspect`: the curvature of a scenario or a trace, and what it says about step sizes."""

from itertools import groupby
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.table import Table

from pcsim.cli.options import allow_option, json_option, print_json, read, scenario_options
from pcsim.cli.terminal import PrintableConsole
from pcsim.errors import UsageError
from pcsim.extensions import import_allowed
from pcsim.report.tables import new_table, print_table
from pcsim.theory.inspection import Inspection, Spectrum, inspect
from pcsim.trace import open_trace
from pcsim.typing import NDArray
from pcsim.words import count


@click.command("inspect", short_help="Show the curvature of the energy, and which step sizes are stable.")
@scenario_options
@allow_option
@json_option
def command(scenario: str, as_json: bool, allow: tuple[str, ...], **changes: Any) -> None:
    """Show the curvature of SCENARIO at the start of inference, or of a trace (.h5) where inference ended."""
    if Path(scenario).suffix in (".h5", ".hdf5"):
        if any(value not in (None, "", ()) for value in changes.values()):
            raise UsageError(f"{scenario} is a trace, which is looked at as it is; leave out --set and the like")
        with open_trace(Path(scenario)) as trace:
            found = inspect(trace, allow=allow)
    else:
        import_allowed(allow)
        found = inspect(read(scenario, quiet=as_json, **changes))
    if as_json:
        print_json(found.as_dict())
        return
    console = PrintableConsole()
    if found.title:
        console.print(found.title, style="bold", soft_wrap=True)
    console.print(_network(found), soft_wrap=True)
    print_table(spectrum_table(found), console)
    for sentence in sentences(found):
        console.print(sentence, soft_wrap=True)


def _network(found: Inspection) -> str:
    if found.samples == found.batch:
        who = count(found.samples, "sample")
    elif found.samples == 1:
        who = f"the first of {count(found.batch, 'sample')}"
    else:
        who = f"the first {found.samples} of {count(found.batch, 'sample')}"
    spread = "" if found.samples == 1 else "median (and range) of "
    return (
        f"{_widths(found.widths)} {found.activation}, {count(found.unknowns, 'unknown')} a sample; curvature "
        f"{found.place}, {spread}{who}"
    )


def _widths(widths: tuple[int, ...]) -> str:
    """Return sizes with runs of equal ones drawn together: `64-(19 × 128)-10`."""
    parts: list[str] = []
    for width, equal in groupby(widths):
        run = len(list(equal))
        parts += [f"({run} × {width})"] if run > 2 else [str(width)] * run
    return "-".join(parts)


def spectrum_table(found: Inspection) -> Table:
    """Return a table of eigenvalues, condition number and largest stable step size, over states and over errors."""
    table = new_table("Hessian of the energy", "over states", "over errors")
    both = (found.states, found.errors)
    table.add_row("smallest eigenvalue", *(_spread(each.smallest) for each in both))
    table.add_row("largest eigenvalue", *(_spread(each.largest) for each in both))
    table.add_row("condition number", *(_condition(each) for each in both))
    table.add_row("stable step sizes", *(f"below {each.limit:.3g}" for each in both))
    return table


def _spread(values: NDArray[np.float64]) -> str:
    middle, low, high = (f"{value:.4g}" for value in (np.median(values), values.min(), values.max()))
    return middle if low == high else f"{middle} ({low} to {high})"


def _condition(spectrum: Spectrum) -> str:
    if spectrum.indefinite:
        return f"none: {spectrum.indefinite} of {len(spectrum.smallest)} indefinite"
    return "beyond 1e14" if spectrum.singular else _spread(spectrum.condition_number)


def sentences(found: Inspection) -> list[str]:
    """Return what follows for the scenario's own steps, and what is known of a linear network."""
    said: list[str] = []
    how = f'method = "{found.method}", optimizer = "{found.optimizer}"'
    if found.limit is None:
        said.append("No verdict on its steps: only those of gradient descent and momentum have a limit like this.")
    elif found.is_stable is None:
        said.append(f'step_size = "auto" comes to {found.automatic:g} ({how}).')
    else:
        whole = "all samples" if found.reckoned == found.batch else count(found.reckoned, "sample")
        verdict = "stable" if found.is_stable else "NOT stable"
        said.append(
            f"step_size = {found.step_size:g} ({how}) is {verdict} here: the limit is {found.limit:.3g}, over "
            f'{whole}. "auto" would take {found.automatic:g}.'
        )
    if found.equilibrated_energy is not None:
        said.append(
            f"The network is linear: these numbers hold everywhere. Energy {found.energy:.6g} {found.place}, "
            f"{found.equilibrated_energy:.6g} at equilibrium."
        )
    elif found.states.indefinite or found.errors.indefinite:
        said.append("Where a Hessian is indefinite the energy curves downwards in some direction: this is no minimum.")
    elif found.states.singular or found.errors.singular:
        said.append("An eigenvalue of 0 is one that rounding to float64 hides: below 1e-14 of the largest.")
    return said
