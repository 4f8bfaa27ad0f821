#!/usr/bin/env python3
"""Measure what docs/curvature.md tells of `step_size = "auto"`: writes docs/step-size-figures.md.

usage: python -m tools.pages.make_step_size_page [--inference-only]   (training needs MNIST: PCSIM_DATA)
"""

import sys
from collections.abc import Sequence

import numpy as np

import pcsim
from pcsim.errors import RunFailed
from pcsim.scenario import Scenario
from tools.studies.pages import DOCS, measured, table

TARGET = DOCS / "step-size-figures.md"
SHARES = (0.25, 0.5, 0.75, 0.95)
STEPS = 200
NETWORKS: dict[str, tuple[str, ...]] = {
    "tanh": ("network.activation=tanh", "network.gain=1.0"),
    "tanh, gain √2": ("network.activation=tanh",),
    "gelu": ("network.gain=1.0",),
    "gelu, gain √2": (),
    "relu, gain √2": ("network.activation=relu",),
    "linear": ("network.activation=linear", "network.gain=1.0"),
    "linear, gain 1.2": ("network.activation=linear", "network.gain=1.2"),
    "relu, µPC, skips": (
        "network.activation=relu",
        "network.order=activation-first",
        "network.parametrisation=mupc",
        "network.skip=true",
    ),
    "gelu, gain 3, 3 layers": ("network.gain=3.0", "network.hidden.layers=2"),
}
COMMON = ("data.batch=32", 'trace.record=["energy","energy_per_sample"]', f"inference.steps={STEPS}")
LESSONS: list[tuple[str, tuple[str, ...]]] = [
    ("train-deep-mnist-eo-ce-tuned", ("inference.steps=4",)),
    ("train-deep-mnist-eo-ce-tuned", ("inference.steps=20",)),
    ("train-deep-mnist-eo-mse-tuned", ("inference.steps=20",)),
]
SIZES = ("auto", "0.0001", "0.001", "0.01", "0.1")


def after(scenario: Scenario) -> str:
    """Return energies at the end as a share of the start's, and samples whose energy ever rose by more than 1 %."""
    try:
        with pcsim.run(scenario, precision="float64") as trace:
            energy = trace.array("energy_per_sample").sum(axis=1)
    except RunFailed:
        return "diverged"
    rose = (energy[1:] > 1.01 * energy[:-1]).any(axis=0).sum()
    return f"{energy[-1].mean() / energy[0].mean():.3g}" + (f" ({rose} rose)" if rose else "")


def inference_table() -> str:
    rows: list[list[str]] = []
    for name, overrides in NETWORKS.items():
        for loss in ("squared-error", "cross-entropy"):
            for method in ("state", "error"):
                given = (*COMMON, *overrides, f"inference.loss={loss}", f"inference.method={method}")
                found = pcsim.inspect(pcsim.read_scenario("error-optimization", (*given, "inference.step_size=auto")))
                if found.automatic is None:
                    raise AssertionError("gradient descent has an automatic step size")
                sizes = [found.automatic * share / 0.5 for share in SHARES]
                cells = [
                    after(pcsim.read_scenario("error-optimization", (*given, f"inference.step_size={size!r}")))
                    for size in sizes
                ]
                rows.append([name, loss, method, f"{found.automatic:.3g}", *cells])
                print(rows[-1], flush=True)
    return table(["network", "loss", "method", "auto", *(f"{share:g} of stable" for share in SHARES)], rows)


def setup(scenario: Scenario) -> str:
    """Return the test accuracy at the end, with the step sizes of the epochs where they were found."""
    try:
        with pcsim.run(scenario, backend="jax", precision="float32") as trace:
            accuracy = f"{100 * float(trace.training['test_accuracy'][-1]):.1f} %"
            if "step_size" not in trace.training:
                return accuracy
            sizes: list[float] = np.asarray(trace.training["step_size"]).tolist()
    except RunFailed as error:
        if error.trace is None:
            raise
        return f"diverged in update {len(error.trace.training['loss'])}"
    return f"{accuracy}, at {', '.join(f'{size:g}' for size in sizes)}"


def training_table() -> str:
    rows: list[list[str]] = []
    for name, overrides in LESSONS:
        cells = [
            setup(
                pcsim.read_scenario(
                    name,
                    (*overrides, "data.samples=12800", "learning.epochs=3", f"inference.step_size={size}"),
                ).at_seed(0)
            )
            for size in SIZES
        ]
        rows.append([name, overrides[0].rpartition("=")[2], *cells])
        print(rows[-1], flush=True)
    return table(["scenario", "steps", *SIZES], rows)


def main(arguments: Sequence[str]) -> None:
    text = (
        '# `step_size = "auto"`: measured figures\n\n'
        f"{measured('pages/make_step_size_page.py')}\n"
        f"## Inference: energy after {STEPS} steps over that of the start\n\n"
        "20 layers of 128 (unless said), orthogonal weights, 32 digits, float64. In brackets the samples whose energy "
        "ever rose by more than 1 % in a step.\n\n" + inference_table()
    )
    if "--inference-only" not in arguments:
        text += (
            "\n## Training: test accuracy after 3 epochs of 12,800 MNIST images\n\n"
            "The shipped scenario with another step size of inference, float32 on JAX; the sizes that auto found are "
            "those at the ends of the epochs.\n\n" + training_table()
        )
    TARGET.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
