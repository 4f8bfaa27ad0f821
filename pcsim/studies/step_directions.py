"""Where steps point over the weights of one hidden unit, measured against the way to the nearest optimum."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64

from pcsim.figures.axes import new_figure
from pcsim.landscape import Chain, angle, nearest_optimum, newton_direction, trust_region_direction
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.one_unit import chain_of, draw_optima, grid
from pcsim.studies.results import Measured, Results
from pcsim.typing import NDArray

SHAPE = (39, 40)
"""Points along w_1 and w_2: unequal, for on the line midway between the optima every way is as good as another."""
RADIUS = 0.5
NEAR = 0.5
NAMES = (
    "backpropagation, $-\\nabla L$",
    "predictive coding, $-\\nabla F^*$",
    f"trust region of radius {RADIUS:g}",
    "Newton",
)


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless the network has one hidden unit."""
    chain_of(scenario)


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Return the angles of four steps to the nearest optimum on a grid of weights, and to the trust-region step."""
    chain, _ = chain_of(scenario)
    angles = np.array([[_angles(chain, w) for w in row] for row in grid(*SHAPE)])
    yield {
        "step": Measured(np.array(["backprop", "pc", "trust region", "newton"]), ("step",), "what the step is of"),
        "to_optimum": Measured(
            np.moveaxis(angles[..., 0], -1, 0), ("step", "w2", "w1"), "angle to the nearest optimum", "degrees"
        ),
        "to_trust_region": Measured(
            np.moveaxis(angles[..., 1], -1, 0), ("step", "w2", "w1"), "angle to the trust-region step", "degrees"
        ),
        "best_product": Measured(np.array([chain.best_product]), ("one",), "w_1 w_2 at every optimum"),
    }


def _angles(chain: Chain, w: Float64[NDArray[np.float64], "2"]) -> list[tuple[float, float]]:
    gradient, hessian = chain.loss_gradient(w), chain.loss_hessian(w)
    best, trust = nearest_optimum(w, chain.best_product) - w, trust_region_direction(gradient, hessian, RADIUS)
    steps = (-gradient, -chain.energy_gradient(w), trust, newton_direction(gradient, hessian))
    return [(angle(step, best), angle(step, trust)) for step in steps]


def draw(results: Results) -> Any:
    """Draw a map of the angle to the nearest optimum for every kind of step."""
    figure, panels = new_figure((15.5, 4.1), 1, len(NAMES), sharey=True)
    places, meshes = grid(*SHAPE), list[Any]()
    for axes, name, values in zip(panels, NAMES, results["to_optimum"].values, strict=True):
        meshes.append(axes.pcolormesh(places[..., 0], places[..., 1], values, vmin=0, vmax=180, cmap="RdBu_r"))
        draw_optima(axes, float(results["best_product"].values[0]))
        axes.set_title(f"{name}: mean {np.mean(values):.0f}°", fontsize=9)
    figure.colorbar(meshes[0], ax=panels, ticks=[0, 45, 90, 135, 180], label="angle to the nearest optimum (degrees)")
    return figure


def table(results: Results) -> list[dict[str, str]]:
    """Return mean angles, and where steps lead away from the optimum."""
    rows: list[dict[str, str]] = []
    near = np.linalg.norm(grid(*SHAPE), axis=-1) < NEAR
    for i, step in enumerate(results["step"].values):
        to_optimum, to_trust = (results[name].values[i] for name in ("to_optimum", "to_trust_region"))
        rows.append(
            {
                "step": str(step),
                "mean angle to the optimum": f"{np.mean(to_optimum):.1f}°",
                f"within {NEAR:g} of the saddle": f"{np.mean(to_optimum[near]):.1f}°",
                "more than 90° off": f"{100 * np.mean(to_optimum > 90):.1f} %",
                "mean angle to the trust-region step": f"{np.mean(to_trust):.1f}°",
            }
        )
    return rows
