"""Gradients of state optimization with fixed predictions beside their closed form (EO paper, eq. 4)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pcsim.errors import UsageError
from pcsim.figures.axes import log_clock, new_figure
from pcsim.figures.layer_lines import draw_lines
from pcsim.recorded.resimulation import setting_of
from pcsim.runs.experiment import run_experiment
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.parts import require_recorded
from pcsim.studies.results import Measured, Results
from pcsim.theory.signal import log_binomial_profile
from pcsim.words import count


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless there is one run that records gradients."""
    if len(runs) > 1:
        raise UsageError(f"{scenario.where('sweep')}: the study signal-profile is of one run; remove [sweep]")
    require_recorded(scenario, runs, "grad_norm")


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Run the scenario once and set the profile beside it; one sample, and no sweep."""
    with run_experiment(attempts.runs[0].scenario) as trace:
        steps, norms, names = trace.steps, trace.array("grad_norm"), trace.layer_names
        step_size = setting_of(trace)[0].inference.known_step_size
    hidden = norms.shape[1] - 1
    distance = np.arange(hidden)[::-1]
    # the state beside the output, at distance 1, has the profile's i = 0; the source is the output's error at the start
    profile = log_binomial_profile(steps[:, None], distance[None, :], step_size)
    theory = norms[0, -1] * np.exp(profile)
    yield {
        "step": Measured(np.asarray(steps), ("step",), "inference step"),
        "layer": Measured(np.array(names[:hidden]), ("layer",), "hidden layer, input to output"),
        "gradient": Measured(norms[:, :hidden], ("step", "layer"), "norm of the gradient of the energy by the state"),
        "theory": Measured(theory, ("step", "layer"), "the same in closed form", source="EO paper, eq. 4"),
    }


def draw(results: Results) -> Any:
    """Draw gradients as lines with the closed form dashed over them, and how far they are apart."""
    from matplotlib.lines import Line2D

    step, gradient, theory = (results[name].values.astype(np.float64) for name in ("step", "gradient", "theory"))
    names = [str(name) for name in results["layer"].values]
    figure, (left, right) = new_figure((11, 4.2), 1, 2)
    draw_lines(left, step, gradient, names)
    shown = np.where(theory > 0, theory, np.nan)
    left.plot(step, shown, color="black", linestyle=(0, (4, 4)), linewidth=0.8)
    left.set_ylabel("‖∂E/∂s‖ of the layer")
    handles, labels = left.get_legend_handles_labels()
    closed = Line2D([], [], color="black", linestyle=(0, (4, 4)), linewidth=0.8)
    left.legend([*handles, closed], [*labels, "eq. 4"], fontsize=7, loc="lower right")
    draw_lines(right, step, _apart(gradient, theory), names)
    right.set_ylabel("relative difference between the two")
    for axes in (left, right):
        log_clock(axes, step, "step")
    return figure


def _apart(gradient: Any, theory: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(theory > 0, np.abs(gradient / theory - 1), np.nan)


def table(results: Results) -> list[dict[str, str]]:
    """Return first and last layer: when a gradient arrives, its largest norm and the largest difference."""
    step, gradient, theory = (results[name].values for name in ("step", "gradient", "theory"))
    apart = _apart(gradient, theory)
    return [
        {
            "layer": str(results["layer"].values[i]),
            "arrives": count(int(step[np.flatnonzero(gradient[:, i])[0]]), "step") if gradient[:, i].any() else "never",
            "largest gradient": f"{gradient[:, i].max():.3g}",
            "relative difference at the end": f"{apart[-1, i]:.1e}",
        }
        for i in sorted({0, gradient.shape[1] // 2, gradient.shape[1] - 1})
    ]
