"""The `[study]` table: what is measured over the runs of a sweep, or computed instead of one."""

from typing import Literal

from pcsim.scenario.fields import Table

Kind = Literal["energies"]


class StudyTable(Table):
    """What is measured over the runs of a sweep, or computed, and drawn by `pcsim plot` (`[study]`)."""

    kind: Kind = "energies"
    """energies: layerwise energies of every run, and what training came to."""
