"""The content of a page: everything of traces that it shows, as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from pcsim.report.page.panels import Panel, panels_of
from pcsim.report.page.series import NUMBERS, shares
from pcsim.report.page.study_panels import study_panels
from pcsim.report.page.words import summary_of, words_of
from pcsim.studies import results_of
from pcsim.trace import Trace

Content = dict[str, Any]
THINNED = (
    "This page does not hold every row that was recorded: where rows are too many, each point stands for a stretch of "
    "them, of which the smallest and the largest values are kept. The trace has them all."
)


def contents_of(traces: Mapping[str, Trace]) -> list[Content]:
    """Return the contents of traces by name, their panels together of as many numbers as a page takes."""
    drawn = drawings_of(traces)
    return [{**told_of(trace, name), **drawing} for (name, trace), drawing in zip(traces.items(), drawn, strict=True)]


def told_of(trace: Trace, name: str) -> Content:
    """Return all that a page says of a trace in words."""
    return {**summary_of(trace, name), **words_of(trace)}


def drawings_of(
    traces: Mapping[str, Trace], have: Mapping[str, Mapping[str, int]] | None = None, most: int = NUMBERS
) -> list[Content]:
    """Return the panels of traces by name, together of at most so many numbers, and whether they are thinned.

    `have` says by trace and panel how many rows a page has already: only those after are returned.
    """
    panels = {name: _panels(trace) for name, trace in traces.items()}
    had = {(name, panel.id): _had(have, name, panel) for name, found in panels.items() for panel in found}
    every = [(name, panel) for name, found in panels.items() for panel in found]
    sizes = [(panel.series.rows - had[name, panel.id]) * (panel.series.columns + 1) for name, panel in every]
    share = dict(zip(had, shares(sizes, most), strict=True))
    found: list[Content] = []
    for name in traces:
        drawn = [panel.as_json(share[name, panel.id], had[name, panel.id]) for panel in panels[name]]
        notice = {"notice": THINNED} if any("until" in panel["rows"] for panel in drawn) else {}
        found.append({"name": name, **notice, "panels": drawn})
    return found


def names_of(traces: Sequence[Trace]) -> list[str]:
    """Return a name for each trace that no other has: its file's, after its folder's where two files share it."""
    short = [trace.path.name if trace.path else "trace" for trace in traces]
    long = ["/".join(trace.path.parts[-2:]) if trace.path else "trace" for trace in traces]
    names = [few if short.count(few) == 1 else many for few, many in zip(short, long, strict=True)]
    return [name if names.count(name) == 1 else f"{name} ({i + 1})" for i, name in enumerate(names)]


def _panels(trace: Trace) -> list[Panel]:
    return study_panels(results_of(trace)) if "study" in trace.attributes else panels_of(trace)


def _had(have: Mapping[str, Mapping[str, int]] | None, name: str, panel: Panel) -> int:
    rows = (have or {}).get(name, {}).get(panel.id, 0)
    return rows if rows <= panel.series.rows else 0
