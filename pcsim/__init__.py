"""Simulate predictive coding networks: scenarios in, layerwise energy traces out.

`read_scenario` reads a TOML file, `run` simulates it, `open_trace` opens what a run has written.
"""

from importlib import import_module

from pcsim.version import __version__

TYPE_CHECKING = False  # typing's, without a quarter of what --help takes
if TYPE_CHECKING:
    from typing import Any

    from pcsim import bases, curvature, landscape, linear, studies, theory
    from pcsim.api import run, take_part
    from pcsim.engine.processes import Processes
    from pcsim.extensions import register
    from pcsim.figures import completion
    from pcsim.model.network import Network
    from pcsim.recorded.evaluation import evaluate
    from pcsim.recorded.export import export_weights
    from pcsim.recorded.local_update import learn_from
    from pcsim.recorded.verification import verify
    from pcsim.report.page.report import view
    from pcsim.report.plotting import plot
    from pcsim.runs.comparison import compare
    from pcsim.runs.repetition import run_seeds
    from pcsim.scenario import Scenario, read_scenario
    from pcsim.studies.part import merge
    from pcsim.studies.study_runs import results
    from pcsim.theory.inspection import inspect
    from pcsim.trace import Trace, open_trace, repair

_HOMES = {
    "Network": "pcsim.model.network",
    "Processes": "pcsim.engine.processes",
    "Scenario": "pcsim.scenario",
    "Trace": "pcsim.trace",
    "compare": "pcsim.runs.comparison",
    "evaluate": "pcsim.recorded.evaluation",
    "export_weights": "pcsim.recorded.export",
    "inspect": "pcsim.theory.inspection",
    "learn_from": "pcsim.recorded.local_update",
    "merge": "pcsim.studies.part",
    "open_trace": "pcsim.trace",
    "plot": "pcsim.report.plotting",
    "read_scenario": "pcsim.scenario",
    "register": "pcsim.extensions",
    "repair": "pcsim.trace",
    "results": "pcsim.studies.study_runs",
    "run": "pcsim.api",
    "run_seeds": "pcsim.runs.repetition",
    "take_part": "pcsim.api",
    "verify": "pcsim.recorded.verification",
    "view": "pcsim.report.page.report",
}

_MODULES = {
    "bases": "pcsim.bases",
    "completion": "pcsim.figures.completion",
    "curvature": "pcsim.curvature",
    "landscape": "pcsim.landscape",
    "linear": "pcsim.linear",
    "studies": "pcsim.studies",
    "theory": "pcsim.theory",
}

__all__ = [
    "Network",
    "Processes",
    "Scenario",
    "Trace",
    "__version__",
    "bases",
    "compare",
    "completion",
    "curvature",
    "evaluate",
    "export_weights",
    "inspect",
    "landscape",
    "learn_from",
    "linear",
    "merge",
    "open_trace",
    "plot",
    "read_scenario",
    "register",
    "repair",
    "results",
    "run",
    "run_seeds",
    "studies",
    "take_part",
    "theory",
    "verify",
    "view",
]


def __getattr__(name: str) -> "Any":
    """Import a public name when it is first used: `pcsim --help` must not wait for numerics."""
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _HOMES:
        raise AttributeError(f"module 'pcsim' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the public names, for completion."""
    return __all__
