"""Training runs that a page of figures needs, each run once and kept as a small JSON file in docs/runs."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import pcsim
from pcsim.errors import RunFailed
from pcsim.scenario import read_scenario, scenario_text
from pcsim.trace import Trace
from tools.studies.pages import DOCS

KEPT = DOCS / "runs"
MEASURES = ("test_accuracy", "test_loss")
LAST_LOSSES = 50
"""Of how many updates at the end the loss is kept."""


@dataclass(frozen=True)
class Trial:
    """A scenario with overrides, for one seed."""

    scenario: str
    overrides: tuple[str, ...] = ()
    seed: int = 0

    @property
    def name(self) -> str:
        """What its file is named after."""
        words = "-".join([self.scenario, *self.overrides, f"seed{self.seed}"])
        return re.sub(r"[^A-Za-z0-9.=_-]+", "_", words)


def kept_outcome(trial: Trial) -> dict[str, Any] | None:
    """Return what came of a trial that was run before, with the same scenario; None where there is nothing."""
    kept = KEPT / f"{trial.name}.json"
    found = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    return found if found.get("scenario") == _text(trial) else None


def outcome(trial: Trial) -> dict[str, Any]:
    """Return what came of a trial, from docs/runs if the same scenario has been run before."""
    found = kept_outcome(trial)
    if found is None:
        found = _run(trial) | {"scenario": _text(trial)}
        kept = KEPT / f"{trial.name}.json"
        unfinished = kept.with_suffix(".tmp")
        unfinished.write_text(json.dumps(found) + "\n", encoding="utf-8")
        unfinished.replace(kept)
    return found


def _text(trial: Trial) -> str:
    return scenario_text(read_scenario(trial.scenario, trial.overrides, seed=trial.seed))


def outcomes(scenario: str, overrides: Sequence[str], seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Return what came of a scenario with overrides for several seeds."""
    return [outcome(Trial(scenario, tuple(overrides), seed)) for seed in seeds]


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return `mean ± standard deviation` (of a sample) of numbers, one number as it is."""
    mean = f"{np.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {float(np.std(values, ddof=1)):.{digits}f}"


def accuracy(found: Sequence[dict[str, Any]]) -> str:
    """Return the test accuracy in per cent after the last epoch, over seeds, or that training diverged."""
    if any(run["failure"] for run in found):
        return "diverged"
    return spread([100 * run["test_accuracy"][-1] for run in found])


def _run(trial: Trial) -> dict[str, Any]:
    try:
        scenario = read_scenario(trial.scenario, trial.overrides, seed=trial.seed)
        trace, failure = pcsim.run(scenario), None
    except RunFailed as error:
        if error.trace is None or error.exit_code != RunFailed.exit_code:  # broken off, not diverged
            raise
        trace, failure = error.trace, str(error)
    with trace:
        found = _measures(trace)
    print(
        trial.scenario, *trial.overrides, f"seed {trial.seed}:", found["test_accuracy"][-1:], failure or "", flush=True
    )
    return found | {"failure": failure}


def _moved(trace: Trace, name: str) -> float:
    """Return ‖ΔW‖/‖W‖ of a weight matrix over the whole training."""
    before, after = (np.asarray(arrays[name], dtype=np.float64) for arrays in (trace.network, trace.trained))
    return float(np.linalg.norm(after - before) / np.linalg.norm(before))


def _measures(trace: Trace) -> dict[str, Any]:
    history = trace.training
    found: dict[str, Any] = {name: history[name].tolist() for name in MEASURES}
    found["loss"] = history["loss"][-LAST_LOSSES:].tolist()
    found["moved"] = [_moved(trace, f"W_{i}") for i in range(len(trace.layer_names)) if f"W_{i}" in trace.network]
    found["silent"] = str(trace.attributes.get("silent_layers", ""))
    return found
