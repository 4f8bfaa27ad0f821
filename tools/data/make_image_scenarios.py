#!/usr/bin/env python3
"""Write the scenarios of convolutional networks on CIFAR-10, CIFAR-100 and Fashion-MNIST.

Those on CIFAR have the values of the EO paper's Tables D.9 to D.12 (Goemaere et al. 2025), but for state optimization
of ResNet-18, of which the paper has none: these are ours, and say so. Those on Fashion-MNIST are ours with the values
for CIFAR-10; error optimization has backpropagation's decay there, decoupled, and with squared error its rate, too.

usage: python -m tools.data.make_image_scenarios [--check]
"""

import sys
from pathlib import Path
from typing import NamedTuple

from tools.data.published import LOSS_WORDS, METHOD_WORDS, METHODS, ConvolutionalRow, convolutional_rows
from tools.pages.derived import ROOT, refresh

SCENARIOS = ROOT / "scenarios"
STEPS = {"vgg-5": 8, "vgg-7": 10, "vgg-9": 12, "resnet-18": 18}
"""Of state optimization, Table D.11; of ResNet-18 ours: one a layer, so that the signal can reach the first."""
ERROR_STEPS = 5
SEEDS = "[0, 1, 2, 3, 42]"


class Setting(NamedTuple):
    """What is the same in all scenarios on some data."""

    title: str
    network: str
    data: str
    learning: str
    source: str


CIFAR = 'input = [32, 32, 3]\narchitecture = "{architecture}"\noutput = {classes}\n'
SETTINGS = {
    "cifar10": Setting(
        "CIFAR-10", CIFAR, 'name = "cifar-10"\nscaling = "standard"\n', f"seeds = {SEEDS}\n", "EO paper, D.12"
    ),
    "cifar100": Setting(
        "CIFAR-100", CIFAR, 'name = "cifar-100"\nscaling = "standard"\n', f"seeds = {SEEDS}\n", "EO paper, D.12"
    ),
    "fashion": Setting(
        "Fashion-MNIST",
        'input = [28, 28, 1]\narchitecture = "{architecture}"\nwidth = 0.25\noutput = {classes}\n',
        'name = "fashion-mnist"\n',
        "",
        "a quarter of the width",
    ),
}


def rows() -> list[ConvolutionalRow]:
    """Return every scenario's numbers: the table's, those on Fashion-MNIST, and ours of ResNet-18."""
    table = convolutional_rows()
    ours = [
        row._replace(method="so", step_size="0.1", momentum="0", rate="3e-4", decay="1e-4")
        for row in table
        if (row.architecture, row.method) == ("resnet-18", "bp")
    ]
    of_vgg = {(row.loss, row.method): row for row in table if (row.data, row.architecture) == ("cifar10", "vgg-5")}
    fashion = [row._replace(data="fashion") for row in of_vgg.values()]
    # At λT = 0.005 hidden gradients are so many times those of backpropagation: a decay added to them outweighs them.
    # Backpropagation's rate with cross-entropy is twice error optimization's own, and collapses there.
    like_bp = [
        row._replace(rate=(row if row.loss == "ce" else bp).rate, decay=bp.decay) if row.method == "eo" else row
        for row in fashion
        for bp in (of_vgg[row.loss, "bp"],)
    ]
    return table + ours + like_bp


def inference(row: ConvolutionalRow) -> str:
    """Return the table [inference]."""
    lines = [f'method = "{METHOD_WORDS[row.method]}"', f'loss = "{LOSS_WORDS[row.loss]}"']
    if row.method != "bp":
        steps = ERROR_STEPS if row.method == "eo" else STEPS[row.architecture]
        lines += [f"steps = {steps}", f"step_size = {float(row.step_size):g}"]
    if float(row.momentum or 0):
        lines += ['optimizer = "momentum"', f"momentum = {row.momentum}"]
    return "\n".join(lines) + "\n"


def scenario(row: ConvolutionalRow, statistics: str | None) -> str:
    """Return a scenario's text; norms with live statistics are written out as such."""
    setting, fashion, residual = SETTINGS[row.data], row.data == "fashion", row.architecture == "resnet-18"
    source = "ours: the paper has none" if residual and row.method == "so" else setting.source
    norms = f", {statistics} statistics" if statistics else ""
    network = setting.network.format(architecture=row.architecture, classes=100 if row.data == "cifar100" else 10)
    network += 'statistics = "live"\n' if statistics == "live" else ""
    epochs = 5 if fashion else 50 if residual else 25
    optimizer = "adamw" if row.method == "so" or (fashion and row.method == "eo") else "adam"
    title = f"{setting.title} by {METHODS[row.method]}, {LOSS_WORDS[row.loss]}: {row.architecture}{norms} ({source})"
    return (
        f'#:schema ./pcsim.schema.json\ntitle = "{title}"\n\n'
        f'[network]\n{network}activation = "{row.activation}"\ninit = "pytorch"\n\n'
        f"[data]\n{setting.data}batch = 64\n\n[inference]\n{inference(row)}\n"
        f'[learning]\noptimizer = "{optimizer}"\nlr = {float(row.rate):g}\nweight_decay = {float(row.decay):g}\n'
        f'epochs = {epochs}\nbatch = {64 if fashion else 256}\nschedule = {{ kind = "cosine" }}\n{setting.learning}\n'
        f'[backend]\nname = "{"numba" if fashion else "jax"}"\n'
    )


def derived() -> dict[Path, str]:
    """Return the text of every file.

    ResNets learn by EO and backpropagation with live norms, as in the authors' program; beside each is one with held
    norms, under which samples stay independent, as they are for SO.
    """
    found: dict[Path, str] = {}
    for row in rows():
        name = row.scenario
        if row.architecture != "resnet-18":
            found[SCENARIOS / f"{name}.toml"] = scenario(row, None)
        elif row.method == "so":
            found[SCENARIOS / f"{name}.toml"] = scenario(row, "held")
        else:
            found[SCENARIOS / f"{name}.toml"] = scenario(row, "live")
            found[SCENARIOS / f"{name}-held.toml"] = scenario(row, "held")
    return found


if __name__ == "__main__":
    sys.exit(refresh(derived(), __doc__))
