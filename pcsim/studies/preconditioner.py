"""Error optimization as preconditioned state optimization: J = ∂s/∂ε, Jᵀ and JJᵀ (EO paper, Theorems C.4 and C.7)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64

from pcsim.assemble import build_inference, build_network, inferring_with
from pcsim.engine.host import host_namespace
from pcsim.errors import UsageError
from pcsim.figures.axes import as_text, new_figure
from pcsim.inference import ErrorOptimization
from pcsim.inference.base import Moving
from pcsim.inference.state import evaluate_states
from pcsim.model.energy import Energy, Evaluation, States
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.grid import sequential_colours, unknowns_of
from pcsim.studies.parts import settle, trained_inputs, without_learning
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results, padded
from pcsim.studies.rows import Measures
from pcsim.typing import NDArray

STEP_SIZES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
"""Of the one step of error optimization that Theorem C.7 is held against."""


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless runs are of error optimization, and small enough for dense matrices."""
    if any(each.scenario.inference.method != "error" for each in runs):
        raise UsageError(
            f"{scenario.where('inference.method')}: the point at which gradients are compared is where errors have "
            'come to; use method = "error"'
        )


def require_of_each(run: Run) -> None:
    """Raise `UsageError` where there are too many units."""
    unknowns_of(run.scenario)


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Compare, in every run, gradients and one step at the point where its inference of one sample ends."""
    for runs, found in attempts.of(_compared):
        yield _together(runs, found)


def _compared(each: Run, place: Place) -> Measures:
    inputs, scenario = trained_inputs(each, place), without_learning(each).on(precision="float64")
    with settle(scenario, inputs) as trace:
        errors = tuple(np.asarray(error, dtype=np.float64)[:1] for error in trace.final_errors[:-1])
    inference, xp = build_inference(scenario, build_network(scenario)), host_namespace()
    energy = inferring_with(inference, inputs.parameters).energy
    clamped = energy.clamp(xp, inputs.parameters, inputs.x[:1], inputs.y[:1])
    method = ErrorOptimization(energy)

    def at(errors: States) -> Evaluation:
        return method.evaluate(xp, clamped, Moving(errors, ()))

    point = at(errors)
    by_errors, by_states = point.gradient, evaluate_states(xp, energy, clamped, point.states).gradient
    jacobian = _jacobian(energy, inputs.parameters, point)
    expected = jacobian @ jacobian.T @ _flat(by_states)
    moved = [
        (_flat(at(tuple(e - size * g for e, g in zip(errors, by_errors, strict=True))).states) - _flat(point.states))
        for size in STEP_SIZES
    ]
    left = [
        np.linalg.norm(move + size * expected) / (size * np.linalg.norm(expected))
        for size, move in zip(STEP_SIZES, moved, strict=True)
    ]
    off = np.linalg.norm(_flat(by_errors) - jacobian.T @ _flat(by_states)) / np.linalg.norm(_flat(by_errors))
    return {"off": float(off), "left": np.array(left), "eigenvalues": np.linalg.svd(jacobian, compute_uv=False) ** 2}


def _jacobian(energy: Energy, parameters: Any, point: Evaluation) -> Float64[NDArray[np.float64], "unit unit"]:
    """Return ∂s/∂ε of one sample, block lower triangular with ones on its diagonal (Lemma C.3)."""
    xp, sizes = host_namespace(), [state[0].size for state in point.states]
    identity = np.split(np.eye(sum(sizes)), np.cumsum(sizes)[:-1], axis=1)
    moves: dict[int, Any] = {}
    for i, state in enumerate(point.states):
        own = identity[i].reshape(-1, *state.shape[1:])
        layer = energy.network.layers[i]
        read = any(j in moves for j in layer.reads)
        moves[i] = own + layer.pushforward(xp, parameters[i], point.saved[i], moves) if read else own
    return np.concatenate([move.reshape(len(move), -1) for move in moves.values()], axis=1).T


def _flat(variables: States) -> NDArray[np.float64]:
    return np.concatenate([np.ravel(each) for each in variables])


def _together(runs: Sequence[Run], found: Sequence[dict[str, Any]]) -> Results:
    source = "EO paper, Theorem C.7"
    return {
        "run": Measured(np.array([each.label() or "the run" for each in runs]), ("run",), "values of the run's own"),
        "step_size": Measured(np.array(STEP_SIZES), ("step_size",), "of one step of error optimization"),
        "off": Measured(
            np.array([each["off"] for each in found]),
            ("run",),
            "relative distance of the gradient by the errors from Jᵀ times that by the states",
            source="EO paper, Theorem C.4",
        ),
        "left": Measured(
            np.stack([each["left"] for each in found]),
            ("run", "step_size"),
            "how far the step of the states is from −λ JJᵀ times their gradient, relative to that",
            source=source,
        ),
        "eigenvalue": Measured(
            padded([each["eigenvalues"] for each in found]),
            ("run", "unit"),
            "eigenvalues of JJᵀ, descending",
            "",
            source,
        ),
    }


def draw(results: Results) -> Any:
    """Draw the eigenvalues of the preconditioner JJᵀ, and what is left of a step beyond it by its size."""
    labels, sizes = results["run"].values, results["step_size"].values
    figure, (left, right) = new_figure((10, 4), 1, 2)
    colours = list(sequential_colours(np.arange(len(labels))).values())
    for label, colour, row, remainder in zip(
        labels, colours, results["eigenvalue"].values, results["left"].values, strict=True
    ):
        values = row[np.isfinite(row)]
        left.plot(np.linspace(0, 1, len(values)), values, color=colour, linewidth=1.3, label=as_text(label))
        right.plot(sizes, remainder, color=colour, marker="o", markersize=3, linewidth=1.2, label=as_text(label))
    left.set_xlabel("share of the eigenvalues that are larger")
    left.set_ylabel("eigenvalue of JJᵀ")
    left.set_yscale("log")
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_xlabel("step size of error optimization")
    right.set_ylabel("‖Δs + λ JJᵀ ∇E‖ / ‖λ JJᵀ ∇E‖")
    for axes in (left, right):
        axes.legend(fontsize=8)
        axes.grid(alpha=0.2)
    return figure


def table(results: Results) -> list[dict[str, str]]:
    """Return how well both theorems hold in every run, and the spectrum of the preconditioner."""
    rows: list[dict[str, str]] = []
    for i, label in enumerate(results["run"].values):
        values, left = results["eigenvalue"].values[i], results["left"].values[i]
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        rows.append(
            {
                "run": str(label),
                "∇ε = Jᵀ∇s off by": f"{results['off'].values[i]:.0e}",
                **{f"λ = {results['step_size'].values[k]:g}: left": f"{left[k]:.1e}" for k in (0, 2, 4)},
                "eigenvalues of JJᵀ": f"{low:.2g} to {high:.3g}",
            }
        )
    return rows
