#!/usr/bin/env python3
"""Write the scenarios of convolutional networks on CIFAR-10, CIFAR-100 and Fashion-MNIST.

Those on CIFAR have the values of the EO paper's Tables D.9 to D.12 (Goemaere et al. 2025), but for state optimization
of ResNet-18, of which the paper has none: these are ours, and say so.

usage: python -m tools.data.make_image_scenarios [--check]
"""

import sys
from pathlib import Path
from typing import NamedTuple

from tools.pages.derived import ROOT, refresh

SCENARIOS = ROOT / "scenarios"
# Data, loss, method, architecture: step size and momentum of inference, rate and decay of weights, activation.
TABLE_D12 = """
10 mse so vgg-5 2.66e-2 0 4.21e-4 2.68e-6 gelu
10 mse so vgg-7 2.28e-3 0.05 2.07e-3 3.10e-6 gelu
10 mse so vgg-9 1.73e-2 0.5 5.77e-5 6.49e-4 tanh
10 mse eo vgg-5 1e-3 0 4.71e-4 1.48e-5 gelu
10 mse eo vgg-7 1e-3 0 4.26e-4 2.16e-6 gelu
10 mse eo vgg-9 1e-3 0 6.61e-4 4.01e-5 gelu
10 mse eo resnet-18 1e-3 0 7.65e-4 1.82e-4 relu
10 mse bp vgg-5 0 0 6.30e-4 1.09e-6 gelu
10 mse bp vgg-7 0 0 5.45e-4 1.37e-6 gelu
10 mse bp vgg-9 0 0 5.24e-4 1.27e-6 gelu
10 mse bp resnet-18 0 0 3.00e-4 9.04e-4 relu
10 ce so vgg-5 1.47e-2 0.05 2.64e-4 1.21e-5 gelu
10 ce so vgg-7 1.59e-3 0 1.76e-3 1.03e-5 gelu
10 ce so vgg-9 5.80e-2 0 8.09e-5 4.18e-5 tanh
10 ce eo vgg-5 1e-3 0 7.79e-4 1.72e-4 gelu
10 ce eo vgg-7 1e-3 0 1.56e-3 5.46e-4 gelu
10 ce eo vgg-9 1e-3 0 5.36e-4 6.88e-4 tanh
10 ce eo resnet-18 1e-3 0 3.39e-3 1.51e-6 relu
10 ce bp vgg-5 0 0 1.66e-3 4.55e-4 gelu
10 ce bp vgg-7 0 0 1.10e-3 4.51e-5 gelu
10 ce bp vgg-9 0 0 6.21e-4 3.58e-5 gelu
10 ce bp resnet-18 0 0 1.67e-3 1.49e-4 relu
100 mse so vgg-5 3.73e-3 0.75 9.80e-4 2.14e-6 gelu
100 mse so vgg-7 1.44e-2 0 1.88e-4 9.38e-5 tanh
100 mse so vgg-9 4.78e-2 0.25 7.07e-5 7.79e-5 tanh
100 mse eo vgg-5 1e-3 0 8.05e-4 2.33e-6 gelu
100 mse eo vgg-7 1e-3 0 4.02e-4 1.47e-5 gelu
100 mse eo vgg-9 1e-3 0 2.01e-4 2.62e-6 gelu
100 mse eo resnet-18 1e-3 0 3.67e-4 7.30e-4 relu
100 mse bp vgg-5 0 0 4.57e-4 1.27e-5 gelu
100 mse bp vgg-7 0 0 4.47e-4 6.71e-6 gelu
100 mse bp vgg-9 0 0 4.70e-4 4.34e-6 gelu
100 mse bp resnet-18 0 0 3.95e-4 5.45e-4 relu
100 ce so vgg-5 2.13e-2 0 8.61e-4 1.48e-6 tanh
100 ce so vgg-7 1.04e-1 0.5 3.00e-4 6.69e-5 tanh
100 ce so vgg-9 1.25e-2 0.75 4.69e-4 3.45e-4 tanh
100 ce eo vgg-5 1e-3 0 8.27e-4 8.22e-4 tanh
100 ce eo vgg-7 1e-3 0 3.13e-4 7.99e-4 tanh
100 ce eo vgg-9 1e-3 0 3.23e-4 4.03e-4 tanh
100 ce eo resnet-18 1e-3 0 3.03e-3 1.20e-5 relu
100 ce bp vgg-5 0 0 1.04e-3 7.69e-4 gelu
100 ce bp vgg-7 0 0 1.38e-3 4.13e-4 gelu
100 ce bp vgg-9 0 0 8.24e-4 1.62e-6 gelu
"""
NAMES = {"eo": "error optimization", "so": "state optimization", "bp": "backpropagation"}
METHODS = {"eo": "error", "so": "state", "bp": "backprop"}
LOSSES = {"mse": "squared-error", "ce": "cross-entropy"}
STEPS = {"vgg-5": 8, "vgg-7": 10, "vgg-9": 12, "resnet-18": 18}
"""Of state optimization, Table D.11; of ResNet-18 ours: one a layer, so that the signal can reach the first."""
ERROR_STEPS = 5
SEEDS = "[0, 1, 2, 3, 42]"


class Row(NamedTuple):
    """One column of numbers of Table D.12, or one of ours."""

    data: str
    loss: str
    method: str
    architecture: str
    step_size: str
    momentum: str
    rate: str
    decay: str
    activation: str


class Setting(NamedTuple):
    """What is the same in all scenarios on some data."""

    word: str
    network: str
    data: str
    learning: str
    source: str


CIFAR = 'input = [32, 32, 3]\narchitecture = "{architecture}"\noutput = {classes}\n'
SETTINGS = {
    "10": Setting(
        "cifar10", CIFAR, 'name = "cifar-10"\nscaling = "standard"\n', f"seeds = {SEEDS}\n", "EO paper, D.12"
    ),
    "100": Setting(
        "cifar100", CIFAR, 'name = "cifar-100"\nscaling = "standard"\n', f"seeds = {SEEDS}\n", "EO paper, D.12"
    ),
    "fashion": Setting(
        "fashion",
        'input = [28, 28, 1]\narchitecture = "{architecture}"\nwidth = 0.25\noutput = {classes}\n',
        'name = "fashion-mnist"\n',
        "",
        "a quarter of the width",
    ),
}
TITLES = {"10": "CIFAR-10", "100": "CIFAR-100", "fashion": "Fashion-MNIST"}


def rows() -> list[Row]:
    """Return every scenario's numbers: the table's, those on Fashion-MNIST, and ours of ResNet-18."""
    table = [Row(*line.split()) for line in TABLE_D12.strip().splitlines()]
    ours = [
        Row(data, loss, "so", "resnet-18", "0.1", "0", "3e-4", "1e-4", "relu")
        for data in ("10", "100")
        for loss in LOSSES
    ]
    fashion = [row._replace(data="fashion") for row in table if (row.data, row.architecture) == ("10", "vgg-5")]
    return table + ours + fashion


def inference(row: Row) -> str:
    """Return the table [inference]."""
    lines = [f'method = "{METHODS[row.method]}"', f'loss = "{LOSSES[row.loss]}"']
    if row.method != "bp":
        steps = ERROR_STEPS if row.method == "eo" else STEPS[row.architecture]
        lines += [f"steps = {steps}", f"step_size = {float(row.step_size):g}"]
    if float(row.momentum):
        lines += ['optimizer = "momentum"', f"momentum = {row.momentum}"]
    return "\n".join(lines) + "\n"


def scenario(row: Row, statistics: str | None) -> str:
    """Return a scenario's text; norms with live statistics are written out as such."""
    setting, fashion, residual = SETTINGS[row.data], row.data == "fashion", row.architecture == "resnet-18"
    source = "ours: the paper has none" if residual and row.method == "so" else setting.source
    norms = f", {statistics} statistics" if statistics else ""
    network = setting.network.format(architecture=row.architecture, classes=100 if row.data == "100" else 10)
    network += 'statistics = "live"\n' if statistics == "live" else ""
    epochs = 5 if fashion else 50 if residual else 25
    optimizer = "adamw" if row.method == "so" else "adam"
    title = f"{TITLES[row.data]} by {NAMES[row.method]}, {LOSSES[row.loss]}: {row.architecture}{norms} ({source})"
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
        name = f"train-{SETTINGS[row.data].word}-{row.architecture.replace('-', '')}-{row.method}-{row.loss}"
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
