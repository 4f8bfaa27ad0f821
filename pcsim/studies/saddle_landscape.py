"""Loss and equilibrated energy over the weights of one hidden unit, and the gradient flows that leave their saddle."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from pcsim.figures.axes import new_figure
from pcsim.landscape import Chain, Path, escape_time, flow
from pcsim.scenario import Run, Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.one_unit import BACKPROP, PREDICTIVE, chain_of, draw_optima, grid
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results
from pcsim.studies.rows import Measures
from pcsim.typing import NDArray

SOURCE = "thesis 4.5: F* = L / (1 + w_2^2)"
TIMES = np.linspace(0.0, 16.0, 321)
KINDS = ("loss", "energy")
NAMES = {"loss": "loss (backpropagation)", "energy": "equilibrated energy (predictive coding)"}
COLOURS = {"loss": BACKPROP, "energy": PREDICTIVE}


def require(scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless the network has one hidden unit."""
    chain_of(scenario)


def compute(scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
    """Return both landscapes with their slopes, and the flows along them from the drawn weights of every run."""
    chain, _ = chain_of(scenario)
    results = _landscapes(chain)
    half = 0.5 * float(chain.loss(np.zeros(2)))
    for _, found in attempts.of(partial(_flows, chain)):
        paths = {kind: [Path(TIMES, each[kind]) for each in found] for kind in KINDS}
        escapes = [[escape_time(paths[kind][i], chain.loss, half) for kind in KINDS] for i in range(len(found))]
        yield results | _paths(chain, paths, np.array(escapes))


def _flows(chain: Chain, each: Run, place: Place) -> Measures:
    _, start = chain_of(each.scenario)
    fields = zip(KINDS, (chain.loss_gradient, chain.energy_gradient), strict=True)
    return {kind: flow(gradient, start, TIMES).weights for kind, gradient in fields}


def _landscapes(chain: Chain) -> dict[str, Measured]:
    fine, coarse = grid(121, 121), grid(15, 15)
    origin = np.zeros((1, 2))
    energy = [[0.0, -chain.xy], [-chain.xy, -chain.yy]]
    spectra = [np.linalg.eigvalsh(chain.loss_hessian(origin)[0]), np.linalg.eigvalsh(np.array(energy))]
    return {
        "loss": Measured(chain.loss(fine), ("w2", "w1"), "loss", source=SOURCE),
        "energy": Measured(chain.energy(fine), ("w2", "w1"), "equilibrated energy", source=SOURCE),
        "loss_slope": Measured(chain.loss_gradient(coarse), ("v2", "v1", "weight"), "gradient of the loss"),
        "energy_slope": Measured(chain.energy_gradient(coarse), ("v2", "v1", "weight"), "gradient of the energy"),
        "curvature": Measured(
            np.stack(spectra), ("of", "weight"), "eigenvalues of both Hessians at the origin", source="thesis 4.6, 4.8"
        ),
        "best_product": Measured(np.array([chain.best_product]), ("one",), "w_1 w_2 at every optimum"),
    }


def _paths(chain: Chain, paths: dict[str, list[Path]], escapes: NDArray[np.float64]) -> dict[str, Measured]:
    found = {"time": Measured(TIMES, ("time",), "time of the flow")}
    for kind in KINDS:
        weights, words = np.stack([path.weights for path in paths[kind]]), f"flow along the {kind}"
        found[f"{kind}_path"] = Measured(weights, ("run", "time", "weight"), f"weights of the {words}")
        found[f"{kind}_path_loss"] = Measured(chain.loss(weights), ("run", "time"), f"loss of the {words}")
    found["escape"] = Measured(
        escapes, ("run", "of"), "time at which the loss is half that at the origin, NaN if later"
    )
    return found


def draw(results: Results) -> Any:
    """Draw both landscapes with slopes, optima and paths, and the loss of the paths over time."""
    figure, panels = new_figure((13, 4.3), 1, 3)
    for axes, kind in zip(panels, KINDS, strict=False):
        _draw_landscape(figure, axes, results, kind)
    for kind in KINDS:
        lines = panels[2].plot(
            results["time"].values, results[f"{kind}_path_loss"].values.T, color=COLOURS[kind], linewidth=1.1
        )
        lines[0].set_label(f"flow along the {NAMES[kind].partition(' (')[0]}")
    panels[2].set_yscale("log")
    panels[2].set_ylim(bottom=1e-6)
    panels[2].set_xlabel("time of the gradient flow")
    panels[2].set_ylabel("loss")
    panels[2].legend(fontsize=8, frameon=False)
    return figure


def _draw_landscape(figure: Any, axes: Any, results: Results, kind: str) -> None:
    values, fine, coarse = results[kind].values, grid(121, 121), grid(15, 15)
    levels = np.geomspace(1e-2, 10.0, 16)
    mesh = axes.contourf(
        fine[..., 0], fine[..., 1], np.maximum(values, levels[0]), levels=levels, norm="log", cmap="Greys", extend="max"
    )
    figure.colorbar(mesh, ax=axes, ticks=[0.01, 0.1, 1, 10], format="%g", shrink=0.8)
    down = -results[f"{kind}_slope"].values
    length = np.linalg.norm(down, axis=-1, keepdims=True)
    # Directions: lengths differ by orders of magnitude.
    arrows = down / np.where(length > 0, length, 1.0)
    axes.quiver(coarse[..., 0], coarse[..., 1], arrows[..., 0], arrows[..., 1], color="0.35", scale=26, width=0.004)
    draw_optima(axes, float(results["best_product"].values[0]))
    for path in results[f"{kind}_path"].values:
        axes.plot(path[:, 0], path[:, 1], color=COLOURS[kind], linewidth=1.8)
    axes.set_title(NAMES[kind], fontsize=9)


def table(results: Results) -> list[dict[str, str]]:
    """Return curvatures at the origin and median escape times."""
    rows: list[dict[str, str]] = []
    for i, kind in enumerate(KINDS):
        low, high = results["curvature"].values[i]
        times = np.where(np.isnan(results["escape"].values[:, i]), np.inf, results["escape"].values[:, i])
        rows.append(
            {
                "landscape": NAMES[kind],
                "curvatures at the origin": f"{low:.4g}, {high:.4g}",
                "median time to half the loss": f"{np.median(times):.3g}",
            }
        )
    return rows
