"""What a run came to, as plain numbers, texts and lists: for programs that read what `--json` prints."""

from typing import Any

from pcsim.recorded.evaluation import Score, Scores
from pcsim.report.findings import findings
from pcsim.studies import results_of, rows_of
from pcsim.trace import Trace
from pcsim.words import plain


def as_dict(trace: Trace) -> dict[str, Any]:
    """Return attributes, layers, measures and findings of a trace; of a study the rows of its table."""
    found: dict[str, Any] = {
        "trace": None if trace.path is None else str(trace.path),
        "status": trace.status,
        "attributes": dict(trace.attributes),
    }
    if "study" in trace.attributes:
        return plain(found | {"rows": rows_of(str(trace.attributes["study"]), results_of(trace))})
    return plain(found | {"layers": _layers(trace), "training": _training(trace), "findings": _said(trace)})


def scores_dict(scores: Scores) -> dict[str, Any]:
    """Return the scores of every part of the data."""
    place = scores.scenario.backend
    parts = {name: _score(score) for name, score in scores.parts.items()}
    return plain({"source": scores.source, "backend": place.name, "precision": place.precision_name} | parts)


def _score(score: Score) -> dict[str, Any]:
    """Return measures, and how often each class (rows) was taken for each, None where there are no classes."""
    measures = {"samples": score.samples, "loss": score.loss, "accuracy": score.accuracy, "top_5": score.top_5}
    return measures | {"confusion": score.confusion}


def _layers(trace: Trace) -> list[dict[str, Any]]:
    """Return name, units, arrival (None if never) and final energy of every layer, None where there is none."""
    energy = trace.energy[-1] if trace.rows and "energy" in trace else None
    steps = trace.arrival_steps if "arrival_step" in trace and trace.clock == "step" else None
    times = trace.arrival_times if "arrival_time" in trace else None
    found: list[dict[str, Any]] = []
    for i, name in enumerate(trace.layer_names):
        arrival = times[i] if times is not None else None if steps is None or steps[i] < 0 else steps[i]
        final = None if energy is None else energy[i]
        found.append({"layer": name, "units": trace.layer_widths[i], "arrival": arrival, "final_energy": final})
    return found


def _training(trace: Trace) -> dict[str, Any] | None:
    """Return what the epoch came to whose weights are kept, by the names of `trace.training`."""
    row = trace.kept_row if trace.training else None
    return None if row is None else {name: values[row] for name, values in trace.training.rows_along("epoch").items()}


def _said(trace: Trace) -> list[str]:
    return findings(trace) if trace.status != "failed" else []
