"""A scenario in continuous time, and runs of it."""

import signal
from typing import Any

import pcsim
from pcsim.trace import Trace
from tests.support.scenario_files import Files

TEXT = """\
[network]
widths = [64, 16, 16, 16, 10]
activation = "tanh"
init = "orthogonal"

[data]
name = "digits"
batch = 3

[inference]
method = "state"
loss = "squared-error"
solver = "dopri5"
t_end = 5.0
save_at = [0.0, 0.5, 1.0, 5.0]

[backend]
precision = "float64"
"""
EVERYTHING = 'trace.record=["energy","grad_norm","states","errors","energy_per_sample","weight_gradient"]'
STOP = ("inference.stop={grad_norm=1e-2}", "inference.t_end=300.0")
NOISE = ("inference.solver=euler", "inference.step_size=0.05", "inference.noise=0.01")


def run(files: Files, *overrides: str, **options: Any) -> Trace:
    return pcsim.run(files.read(TEXT, *overrides), **options)


def interrupting(clock: float, end: float) -> None:
    if 0 < clock < end:
        signal.raise_signal(signal.SIGINT)
