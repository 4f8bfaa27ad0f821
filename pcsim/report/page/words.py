"""What a page says of a trace: how it stands, what was found, its tables, its scenario, versions and machine."""

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from rich.table import Table

from pcsim.errors import UsageError
from pcsim.report.findings import findings
from pcsim.report.page.study_panels import runs_table
from pcsim.report.summary import headline, layer_table, no_rows, work
from pcsim.report.training_summary import PARTS, left_out, training_headline, training_table
from pcsim.studies import results_of, rows_of
from pcsim.studies.results import Results
from pcsim.trace import Trace
from pcsim.trace.owner import may_be_written
from pcsim.words import count, duration

_TOLD = ("title", "status", "format", "failure")
"""Attributes that stand elsewhere on the page."""
LONGEST = 100_000
"""Characters of a text that are shown."""


def summary_of(trace: Trace, name: str) -> dict[str, Any]:
    """Return what a list of traces says of one: name, title, status, how far it is, the keys of its scenario."""
    return {
        "name": name,
        "title": str(trace.attributes.get("title", "")),
        "status": status_of(trace),
        "progress": _progress(trace),
        "settings": _settings(_provenance(trace).get("scenario", "")),
    }


def words_of(trace: Trace) -> dict[str, Any]:
    """Return all else that is text: headlines, findings, tables, the scenario, and what the run was made with."""
    provenance = _provenance(trace)
    scenario = provenance.pop("scenario", "")
    facts = {name: value for name, value in trace.attributes.items() if name not in _TOLD} | provenance
    return {
        "says": _says(trace),
        "findings": [] if "study" in trace.attributes or trace.status == "failed" else _told(lambda: findings(trace)),
        "tables": _tables(trace),
        "scenario": scenario[:LONGEST],
        "facts": [[name.replace("_", " "), _value(value)[:LONGEST]] for name, value in facts.items()],
    }


def status_of(trace: Trace) -> str:
    """Return the status, or `killed` where no writer is left to end a run."""
    return "killed" if trace.status == "running" and not _may_be_written(trace) else trace.status


def _may_be_written(trace: Trace) -> bool:
    # A study is put in its place whole, by a process that is not named.
    return "study" in trace.attributes or may_be_written(trace.attributes)


def _progress(trace: Trace) -> str:
    if "study" in trace.attributes:
        return f"study {trace.attributes['study']}"
    epochs, updates = (trace.rows_by_clock.get(f"training/{clock}", 0) for clock in ("epoch", "update"))
    words = [count(epochs, "epoch")] if epochs else [count(updates, "update")] if updates else []
    words += _measured(trace) if epochs else []
    words += [f"{trace.clock} {trace.last_clock:g}"] if trace.rows else []
    return ", ".join(words) or "no rows yet"


def _measured(trace: Trace) -> list[str]:
    """Return the last accuracy that was measured, or the last loss: of the test samples if there is one."""
    for measure, scale, unit in (("accuracy", 100, " %"), ("loss", 1, "")):
        for part, word in PARTS.items():
            name = f"training/{part}_{measure}"
            values = trace.array(name) if name in trace else np.empty(0)
            if np.isfinite(values).any():
                return [f"{word} {measure} {scale * values[np.isfinite(values)][-1]:.3g}{unit}"]
    return []


def _says(trace: Trace) -> list[str]:
    attributes = trace.attributes
    found = [str(attributes["failure"])] if "failure" in attributes else []
    if status_of(trace) == "killed":
        found.append("The run was killed: what is here is what it had written by then.")
    if "study" in attributes:
        seconds = float(attributes.get("study_seconds", 0.0))
        return [*found, f"study {attributes['study']} in {duration(seconds)}"]
    if trace.training:
        found += _told(lambda: [training_headline(trace), *left_out(trace)])
    if trace.rows and trace.status != "running" and "data/x" in trace:
        found += _told(lambda: [headline(trace)])
    elif not trace.rows and not trace.training:
        found.append(f"This trace {no_rows(trace)}.")
    return found + ([work(trace.solver_work)] if trace.solver_work else [])


def _tables(trace: Trace) -> list[dict[str, Any]]:
    """Return the tables that the summary in the terminal has, with the same words."""
    if "study" in trace.attributes:
        results = results_of(trace)
        runs = runs_table(results)
        return [*_told(lambda: [_of_study(trace, results)]), *([runs] if runs else [])]
    found: list[dict[str, Any]] = []
    if trace.training:
        found += _told(lambda: [_as_json("Training by layer", training_table(trace))])
    if "arrival_step" in trace:
        found += _told(lambda: [_as_json("Inference by layer", layer_table(trace))])
    return found


def _of_study(trace: Trace, results: Results) -> dict[str, Any]:
    rows = rows_of(str(trace.attributes["study"]), results)
    heads = list(dict.fromkeys(head for row in rows for head in row))
    return {"title": "Study", "head": heads, "rows": [[row.get(head, "") for head in heads] for row in rows]}


def _as_json(title: str, table: Table) -> dict[str, Any]:
    cells = [[str(cell) for cell in column.cells] for column in table.columns]
    return {
        "title": title,
        "head": [str(column.header) for column in table.columns],
        "rows": [list(row) for row in zip(*cells, strict=True)],
    }


def _told(tell: Callable[[], Iterable[Any]]) -> list[Any]:
    """Return what there is to tell, nothing of a trace that lacks what that takes: others than pcsim write traces."""
    with suppress(UsageError, LookupError, ValueError, TypeError):
        return list(tell())
    return []


def _provenance(trace: Trace) -> dict[str, str]:
    return trace.provenance if "provenance" in trace else {}


def _settings(scenario: str) -> dict[str, str]:
    """Return the keys of a scenario with their values as text: `inference.steps`, `64`; none of one that is not."""
    try:
        return dict(_flat(tomllib.loads(scenario)))
    except (ValueError, RecursionError):
        return {}


def _flat(table: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value if isinstance(value, str) else json.dumps(value, default=str)


def _value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
