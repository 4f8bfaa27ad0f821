"""How near updates come to the implicit gradient step of one sample (Alonso et al. 2024, Theorems 1 and 2)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pcsim.assemble import build_inference, build_network, load_inputs, read_dataset
from pcsim.engine.host import host_namespace
from pcsim.errors import UsageError
from pcsim.figures.axes import as_text, new_figure
from pcsim.landscape.implicit import SampleLoss, Vector, explicit_step, implicit_step, second_order_step
from pcsim.landscape.inferred import inferred_step, usual_step
from pcsim.landscape.proximal import dense_chain
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.parts import OKABE_ITO
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results
from pcsim.studies.rows import Measures

BETAS = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
STEPS = {
    "explicit": "explicit gradient step, −β ∇L",
    "second order": "Theorem 2, −β (I + βH)⁻¹ ∇L",
    "theorem 1": "inference, γ of Theorem 1",
    "usual": "inference, γ = 1",
}


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless runs are of state optimization with squared error, which the theorems are of."""
    tables = [each.scenario.inference for each in runs]
    if any(table.method != "state" or table.loss != "squared-error" for table in tables):
        raise UsageError(
            f"{scenario.where('study')}: Theorem 1 is of simultaneous steps and squared error; use "
            'method = "state" and loss = "squared-error" in [inference]'
        )


def require_of_each(each: Run) -> None:
    """Raise `UsageError` for other layers than dense ones in a chain, and for too many weights."""
    _samples(each.scenario)


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Find the implicit step of every sample of the batch and β, and hold the other steps against it."""
    for runs, found in attempts.of(_compared):
        yield {
            "run": Measured(np.array([each.label() or "the run" for each in runs]), ("run",), "the run's own values"),
            "beta": Measured(np.array(BETAS), ("beta",), "β of the proximal objective"),
            "step": Measured(np.array(list(STEPS.values())), ("kind",), "what the update is"),
            "distance": Measured(
                np.stack([each["distance"] for each in found]),
                ("run", "beta", "kind"),
                "distance from the implicit step over its length, median over the samples",
                source="Alonso et al. 2024, Theorems 1 and 2",
            ),
            "last_layer": Measured(
                np.stack([each["last_layer"] for each in found]),
                ("run", "beta", "kind"),
                "the same of the weights of the last layer alone",
            ),
            "left": Measured(
                np.stack([each["left"] for each in found]),
                ("run", "beta", "kind"),
                "share of what the implicit step gains on the proximal objective that is not gained, median",
            ),
        }


def _samples(scenario: Scenario) -> list[SampleLoss]:
    network, xp = build_network(scenario), host_namespace()
    chain, loss = dense_chain(network), build_inference(scenario, network).energy.loss
    inputs = load_inputs(scenario, network, read_dataset(scenario))
    return [
        SampleLoss(xp, chain, loss, inputs.parameters, inputs.x[k : k + 1], inputs.y[k : k + 1])
        for k in range(len(inputs.x))
    ]


def _compared(each: Run, place: Place) -> Measures:
    table = each.scenario.inference
    if not isinstance(table.step_size, float):
        raise UsageError('the study needs a number for inference.step_size, not "auto"')
    samples = _samples(each.scenario)
    shape = (len(samples), len(BETAS), len(STEPS))
    found = {name: np.empty(shape) for name in ("distance", "last_layer", "left")}
    for k, sample in enumerate(samples):
        hessian = sample.hessian(sample.start)
        usual = usual_step(sample, steps=table.steps, step_size=table.step_size)
        for b, beta in enumerate(BETAS):
            implicit = implicit_step(sample, beta, hessian)
            steps = (
                explicit_step(sample, beta),
                second_order_step(sample, beta, hessian),
                inferred_step(sample, beta, steps=table.steps, step_size=table.step_size),
                usual,
            )
            for i, step in enumerate(steps):
                found["distance"][k, b, i] = _distance(step, implicit)
                last = sample.layout.places[-1]
                found["last_layer"][k, b, i] = _distance(step[last], implicit[last])
                found["left"][k, b, i] = _left(sample, beta, step, implicit)
    return {name: np.median(values, axis=0) for name, values in found.items()}


def _distance(step: Vector, implicit: Vector) -> float:
    return float(np.linalg.norm(step - implicit) / np.linalg.norm(implicit))


def _left(sample: SampleLoss, beta: float, step: Vector, implicit: Vector) -> float:
    def objective(by: Vector) -> float:
        return sample.value(sample.start + by) + float(by @ by) / (2 * beta)

    before, best = objective(np.zeros_like(step)), objective(implicit)
    return (objective(step) - best) / (before - best)


def draw(results: Results) -> Any:
    """Draw distances from the implicit step over β, dashed those of the last layer alone, and what is not gained."""
    runs, betas = results["run"].values, results["beta"].values
    figure, panels = new_figure((10.4, 3.9 * len(runs)), len(runs), 2, squeeze=False)
    for row, run in enumerate(runs):
        left, right = panels[row]
        for i, name in enumerate(results["step"].values):
            colour, label = OKABE_ITO[i], as_text(name)
            left.plot(betas, results["distance"].values[row, :, i], "o-", color=colour, markersize=3, label=label)
            if i == list(STEPS).index("theorem 1"):
                last = results["last_layer"].values[row, :, i]
                left.plot(betas, last, "o--", color=colour, markersize=3, label="the same, last layer")
            right.plot(betas, results["left"].values[row, :, i], "o-", color=colour, markersize=3)
        right.axhline(1.0, color="0.5", linewidth=0.8)
        right.annotate("no update", (betas[0], 1.0), fontsize=8, va="bottom")
        left.set_ylabel("distance from the implicit step, relative")
        right.set_ylabel("share of the possible gain that is missed")
        for axes in (left, right):
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xlabel("β")
            axes.grid(alpha=0.2)
            if len(runs) > 1:
                axes.set_title(as_text(run), fontsize=9)
        left.legend(fontsize=8)
    return figure


def table(results: Results) -> list[dict[str, str]]:
    """Return distances from the implicit step by β, a row a kind of step, and that of the last layer by Theorem 1."""
    rows: list[dict[str, str]] = []
    for row, run in enumerate(results["run"].values):
        for i, name in enumerate(results["step"].values):
            rows.append(_row(results, run, str(name), results["distance"].values[row, :, i]))
            if i == list(STEPS).index("theorem 1"):
                rows.append(_row(results, run, "the same, last layer", results["last_layer"].values[row, :, i]))
    return rows


def _row(results: Results, run: Any, name: str, values: Any) -> dict[str, str]:
    betas = results["beta"].values
    return {"run": str(run), "update": name} | {
        f"β = {beta:g}": f"{value:.2g}" for beta, value in zip(betas, values, strict=True)
    }
