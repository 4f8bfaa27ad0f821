#!/usr/bin/env python3
"""Ask of every local method what floating-point formats do to it: writes docs/formats-figures.md.

usage: python -m tools.pages.make_formats_page

Needs pcsim[exact]; some minutes on one core. One inference on one digit in each format, and in exact arithmetic, with
the methods of tools/studies/local_methods.py; where two of them differ in how weights learn alone, the first.
"""

import sys
from collections.abc import Sequence

import numpy as np

import pcsim
from pcsim.scenario import Scenario, read_scenario
from pcsim.typing import NDArray
from tools.studies.local_methods import CHAINS, METHODS, SQUARED, Method
from tools.studies.pages import DOCS, measured, table

SCENARIO = "deep-local"
FORMATS = ("bfloat16", "float32", "float64")
DEPTHS = (20, 64)
OFF = 0.1
"""How far a layer's gradient may be from the exact one, relatively, before it is counted as wrong."""
ADAM_EPS = 1e-8
MOST_LAYERS = 20
"""Where errors pass through all layers in a step: balls widen all the way, and exact arithmetic then takes hours."""
INFERENCE_OF = {
    "… increment form, scale-free": "… increment form",
    "precisions that pass on (× 1000), forward update": "precisions that pass on (× 1000)",
    "Meta-PCN": "fixed predictions",
}
"""How methods infer whose names tell how they learn, too."""
Gradients = list[NDArray[np.float64]]


def inference(method: Method, layers: int) -> Scenario:
    """Return the inference of a method on one sample, without learning; the step size is the middle one of its own."""
    words = [f"network.hidden.layers={layers - 1}", "data.batch=1", "learning.scale=none", *method.overrides]
    if method.step_sizes:
        words.append(f"inference.step_size={method.step_sizes[len(method.step_sizes) // 2]}")
    if "inference.method=backprop" not in words:
        words.append(f"inference.steps={CHAINS[layers].steps}")
    record = 'trace.record=["energy", "weight_gradient"]'
    return read_scenario(SCENARIO, [*words, record]).model_copy(update={"learning": None})


def methods() -> dict[str, Method]:
    """Return the methods by name that infer in another way than those before, from the loss that most have.

    A search has no fixed arithmetic.
    """
    found: dict[str, Method] = {}
    for method in METHODS:
        if SQUARED in method.overrides:
            continue
        scenario = inference(method, DEPTHS[0])
        others = [inference(other, DEPTHS[0]).inference for other in found.values()]
        if scenario.inference.method != "equilibrium" and scenario.inference not in others:
            found[INFERENCE_OF.get(method.name, method.name)] = method
    return found


def gradients(scenario: Scenario, precision: str) -> Gradients:
    """Return the gradient of every layer's weights at the end of inference."""
    backend = "exact" if precision == "exact" else "numpy"
    with pcsim.run(scenario, precision=precision, backend=backend) as trace:
        return [np.asarray(trace.gradient[f"W_{i}"], np.float64) for i in range(len(trace.layer_names))]


def verdict(found: Gradients, exact: Gradients) -> str:
    """Return how many layers have no gradient where the exact one is not zero, and how many a wrong one."""
    silent = sum(not a.any() and b.any() for a, b in zip(found, exact, strict=True))
    wrong = sum(a.any() and _off(a, b) > OFF for a, b in zip(found, exact, strict=True))
    return f"{silent} silent, {wrong} wrong" if silent or wrong else "all right"


def _off(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    size = np.abs(b).max()
    return float(np.linalg.norm((a - b) / size) / np.linalg.norm(b / size)) if size > 0 else float("inf")


def row(name: str, method: Method, layers: int) -> list[str]:
    """Return the line of a method."""
    scenario = inference(method, layers)
    step_size = f"{scenario.inference.step_size:g}" if method.step_sizes else "–"
    passes_all = scenario.inference.method == "error" or scenario.inference.error_steps
    if passes_all and layers > MOST_LAYERS:
        return [name, step_size, *["exact arithmetic takes too long"] * 3, "–", "–"]
    exact = gradients(scenario, "exact")
    norms = [float(np.linalg.norm(g)) for g in exact]
    unseen = sum(float(np.sqrt(np.mean(g**2))) < ADAM_EPS for g in exact)
    said = [verdict(gradients(scenario, precision), exact) for precision in FORMATS]
    print(layers, name, *said, flush=True)
    return [name, step_size, *said, f"{min(norms) / max(norms):.0e}", str(unseen)]


def section(layers: int, chosen: dict[str, Method]) -> str:
    """Return the table of a depth."""
    header = ["", "step size", *FORMATS, "exact: smallest of largest ‖∇W‖", "exact: layers below Adam's ε"]
    rows: Sequence[list[str]] = [row(name, method, layers) for name, method in chosen.items()]
    return f"\n## {layers} layers, {CHAINS[layers].steps} steps\n\n{table(header, rows)}"


def main() -> int:
    chosen = methods()
    page = (
        "# What float formats do to local methods: measured figures\n\n"
        + measured("pages/make_formats_page.py")
        + "\nOne digit, tanh, width 128, orthogonal weights, cross-entropy: the gradients of the energy by all weights "
        "at the end of inference, in each format on numpy, beside those of the exact backend for the same map. A layer "
        "is silent where its gradient is zero and the exact one is not, and wrong where they differ by more than a "
        "tenth of its norm. What the last two columns show no format changes: how small the exact gradient is in the "
        "layer that hears least, and in how many layers its entries are below the 1e-8 that Adam adds to them. Rows "
        "are ways to infer: how weights learn (the forward update, scaling, normalisation) and the search for "
        "equilibria, which has no fixed arithmetic, are not in it.\n"
        + "".join(section(layers, chosen) for layers in DEPTHS)
    )
    (DOCS / "formats-figures.md").write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
