"""How far the states of the easiest and the hardest image are from where error optimization ends (EO paper, C.4)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float64

from pcsim.assemble import Inputs, build_network, load_samples, read_dataset
from pcsim.errors import UsageError
from pcsim.figures.axes import as_text, new_figure
from pcsim.learning.pixels import whole
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.parts import OKABE_ITO, distances, require_recorded, settle, trained_inputs, without_learning
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results, padded
from pcsim.studies.rows import Measures
from pcsim.studies.work import Work
from pcsim.trace import Trace
from pcsim.typing import NDArray

WORK = Work.ONCE
IMAGES = ("easiest", "hardest")
LEVEL = 0.01
"""Share of the largest distance, from which on the table says that a state is there."""
SAMPLES = 1024
"""At once on the way to their losses."""
_COLOURS = {"state": OKABE_ITO[0], "error": OKABE_ITO[1]}
_LINES = ("-", "--")


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless runs record states, and one is of error optimization, which is the reference."""
    require_recorded(scenario, runs, "states")
    if all(each.scenario.inference.method != "error" for each in runs):
        raise UsageError(
            f"{scenario.where('sweep')}: distances are from where error optimization ends, and no run is of it; add "
            'one with method = "error"'
        )


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Train once, choose two images by their loss, run error optimization on them for the reference, then every run."""
    runs = attempts.runs
    inputs, losses = _two_images(scenario, without_learning(runs[0]))
    longest = max((each for each in runs if each.scenario.inference.method == "error"), key=_steps)
    with settle(without_learning(longest), inputs) as trace:
        watched = (0, len(trace.final_states) - 2)
        end = [np.asarray(trace.final_states[i], dtype=np.float64) for i in watched]
    for done, found in attempts.of(partial(_followed, inputs, end, watched)):
        yield _together(done, found, watched, losses)


def _followed(
    inputs: Inputs, end: Sequence[NDArray[np.float64]], watched: Sequence[int], each: Run, place: Place
) -> Measures:
    with settle(without_learning(each), inputs) as trace:
        steps, distance = np.asarray(trace.steps, dtype=np.float64), _distance(trace, end, watched)
        return {"steps": steps, "distance": distance, "failure": trace.attributes.get("failure")}


def _steps(each: Run) -> int:
    return each.scenario.inference.steps


def _two_images(scenario: Scenario, inference: Scenario) -> tuple[Inputs, NDArray[np.float64]]:
    """Return the training samples of the smallest and the largest loss, on trained weights, and these losses."""
    trained = trained_inputs(Run(scenario.alone(), {}))
    samples = load_samples(scenario, build_network(scenario), read_dataset(scenario)).train
    start = inference.model_copy(
        update={
            "inference": inference.inference.model_copy(update={"method": "state", "steps": 0}),
            "trace": inference.trace.model_copy(update={"record": ("energy_per_sample",), "every": 1}),
        }
    )
    losses: list[NDArray[np.float64]] = []
    for first in range(0, len(samples.y), SAMPLES):
        part = samples.take(np.arange(first, min(first + SAMPLES, len(samples.y))))
        with settle(start, replace(trained, x=whole(part.x), y=part.y)) as trace:
            losses.append(trace.array("energy_per_sample")[0, -1])
    loss = np.concatenate(losses)
    chosen = samples.take(np.array([np.argmin(loss), np.argmax(loss)]))
    return replace(trained, x=whole(chosen.x), y=chosen.y), np.array([loss.min(), loss.max()])


def _distance(
    trace: Trace, end: Sequence[NDArray[np.float64]], watched: Sequence[int]
) -> Float64[NDArray[np.float64], "row layer image"]:
    # a run that diverges may be beyond float64 before it is stopped
    with np.errstate(over="ignore", invalid="ignore"):
        return np.stack([distances(trace, i, at) for i, at in zip(watched, end, strict=True)], axis=1)


def _together(
    runs: Sequence[Run], found: Sequence[dict[str, Any]], watched: Sequence[int], losses: NDArray[np.float64]
) -> Results:
    return {
        "run": Measured(np.array([each.label("steps") for each in runs]), ("run",), "values of the run's own"),
        "method": Measured(np.array([each.scenario.inference.method for each in runs]), ("run",), "what moves"),
        "layer": Measured(np.array(watched), ("layer",), "states that are watched"),
        "image": Measured(np.array(IMAGES), ("image",), "training images of the smallest and the largest loss"),
        "loss": Measured(losses, ("image",), "loss at the feedforward pass"),
        "step": Measured(
            padded([each["steps"] for each in found]), ("run", "row"), "recorded step, NaN beyond the last"
        ),
        "distance": Measured(
            padded([each["distance"] for each in found]),
            ("run", "row", "layer", "image"),
            "Euclidean distance of the state from the end of error optimization",
            source="EO paper, Fig. C.1",
        ),
    }


def draw(results: Results) -> Any:
    """Draw a panel an image: distances over steps, a colour a method, dashed for the last hidden layer."""
    step, distance, layers = (results[name].values for name in ("step", "distance", "layer"))
    figure, (panels,) = new_figure((10.5, 4.2), 1, len(IMAGES), squeeze=False, sharey=True)
    for k, axes in enumerate(panels):
        for i, label in enumerate(results["run"].values):
            colour = _COLOURS.get(str(results["method"].values[i]), OKABE_ITO[2])
            for j, layer in enumerate(layers):
                shown = np.where(distance[i, :, j, k] > 0, distance[i, :, j, k], np.nan)
                name = as_text(f"{label}: $s_{{{layer}}}$").replace("\\$", "$")
                axes.plot(step[i], shown, color=colour, linestyle=_LINES[j], linewidth=1.3, label=name)
        axes.set_xscale("symlog", linthresh=1, linscale=0.3)
        axes.set_xlim(left=0)
        axes.set_yscale("log")
        axes.set_xlabel("inference step")
        axes.set_title(f"{IMAGES[k]} image, loss {results['loss'].values[k]:.2g}", fontsize=9)
        axes.grid(alpha=0.2)
    panels[0].set_ylabel("distance from where EO ends")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
    return figure


def table(results: Results) -> list[dict[str, str]]:
    """Return for every run and image how far away it starts and ends, and the step from which it is near."""
    rows: list[dict[str, str]] = []
    for i, label in enumerate(results["run"].values):
        step = results["step"].values[i]
        step = step[np.isfinite(step)]
        for k, image in enumerate(IMAGES):
            row = {"run": str(label), "image": image, "loss": f"{results['loss'].values[k]:.2g}"}
            for j, layer in enumerate(results["layer"].values):
                way = results["distance"].values[i, : len(step), j, k]
                away = np.flatnonzero(~(way <= LEVEL * way[0]))
                near = f"{step[away[-1] + 1]:,.0f}" if away.size and away[-1] + 1 < len(step) else "not reached"
                row |= {f"s_{layer} at the end": f"{way[-1]:.1e}", f"s_{layer} to {LEVEL:.0%}": near}
            rows.append(row)
    return rows
