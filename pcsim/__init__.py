"""Simulate predictive coding networks: scenarios in, layerwise energy traces out.

`read_scenario` reads a TOML file, `run` simulates it, `open_trace` opens what a run has written.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pcsim import linear as linear
    from pcsim.comparison import compare as compare
    from pcsim.evaluation import evaluate as evaluate
    from pcsim.experiment import run as run
    from pcsim.export import export_weights as export_weights
    from pcsim.inspection import inspect as inspect
    from pcsim.local_update import learn_from as learn_from
    from pcsim.plotting import plot as plot
    from pcsim.repetition import run_seeds as run_seeds
    from pcsim.scenario import Scenario as Scenario
    from pcsim.scenario import read_scenario as read_scenario
    from pcsim.trace import Trace as Trace
    from pcsim.trace import open_trace as open_trace
    from pcsim.trace import repair as repair
    from pcsim.verification import verify as verify

__version__ = "0.1.0"

_HOMES = {
    "Scenario": "pcsim.scenario",
    "Trace": "pcsim.trace",
    "compare": "pcsim.comparison",
    "evaluate": "pcsim.evaluation",
    "export_weights": "pcsim.export",
    "inspect": "pcsim.inspection",
    "learn_from": "pcsim.local_update",
    "open_trace": "pcsim.trace",
    "plot": "pcsim.plotting",
    "read_scenario": "pcsim.scenario",
    "repair": "pcsim.trace",
    "run": "pcsim.experiment",
    "run_seeds": "pcsim.repetition",
    "verify": "pcsim.verification",
}

_PACKAGES = ("linear",)

__all__ = [
    "Scenario",
    "Trace",
    "__version__",
    "compare",
    "evaluate",
    "export_weights",
    "inspect",
    "learn_from",
    "linear",
    "open_trace",
    "plot",
    "read_scenario",
    "repair",
    "run",
    "run_seeds",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `pcsim --help` must not wait for numerics."""
    if name in _PACKAGES:
        return import_module(f"pcsim.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'pcsim' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the public names, for completion."""
    return __all__
