"""From a scenario's words to how `step_size = "auto"` is found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pcsim.assemble.model import build_inference, inferring_with
from pcsim.assemble.task import build_stepper
from pcsim.curvature.steps import automatic_step, largest_curvature, looked_at
from pcsim.engine.host import host_namespace
from pcsim.errors import UsageError
from pcsim.inference import Inference, first_variable, with_free_input
from pcsim.inference.steppers import Stepper
from pcsim.model.arrays import Namespace
from pcsim.model.network import Network
from pcsim.scenario import Scenario
from pcsim.typing import NDArray

Host = NDArray[np.float64]


@dataclass(frozen=True)
class CurvatureStepSize:
    """An automatic step size, from the curvature of the energy at the start; computed on the host in float64."""

    xp: Namespace
    inference: Inference
    stepper: Stepper
    has_free_input: bool

    def step_size(
        self,
        parameters: Sequence[Mapping[str, NDArray[Any]]],
        x: Host,
        y: Host,
        initial: tuple[Host, ...] | None = None,
    ) -> float:
        """Return the step size for inference on input x (batch, n_in) and target y (batch, n_out).

        `initial` are the variables at the start, None for a feedforward pass. Of large networks it looks at the first
        few samples only.
        """
        rows = looked_at(self.inference.energy, len(x))
        x, y, initial = x[rows], y[rows], initial and tuple(each[rows] for each in initial)
        wide = tuple({name: array.astype(np.float64) for name, array in layer.items()} for layer in parameters)
        inference = inferring_with(self.inference, wide)
        if self.has_free_input:
            inference, wide = with_free_input(inference), ({}, *wide)
            initial = None if initial is None else (first_variable(inference, x), *initial)
        with np.errstate(all="ignore"):
            return automatic_step(self.stepper, largest_curvature(self.xp, inference, wide, x, y, initial))


def build_step_size_finder(scenario: Scenario, network: Network) -> CurvatureStepSize | None:
    """Return how a scenario's step size is found, None where it is given."""
    if scenario.inference.step_size != "auto":
        return None
    return CurvatureStepSize(
        host_namespace(),
        build_inference(scenario, network),
        build_stepper(scenario.at_step_size(1.0)),
        # Tests of a generative network infer labels with a free input, whose Hessian has the other one inside it, and
        # that of a masked input, too.
        scenario.inference.input != "clamped" or scenario.data.task == "generative",
    )


def require_step_size(scenario: Scenario, found: float) -> float:
    """Return the step size that was found; raises `UsageError` where it is not a finite number."""
    if np.isfinite(found):
        return found
    raise UsageError(
        f'{scenario.where("inference.step_size")}: "auto" finds no step size: the curvature at the start is not a '
        "finite number in float64; use smaller weights"
    )
