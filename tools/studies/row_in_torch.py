#!/usr/bin/env python3
"""Train the network of a published row of backpropagation by PyTorch: is a difference the code's or the data's?

usage: PCSIM_DATA=FOLDER python -m tools.studies.row_in_torch train-mnist-bp-ce [--seeds 5]

Needs pcsim, which reads the scenario's numbers and the data, and torch. Layers, initial weights, loss, gradients, Adam
and the order of samples are PyTorch's. Prints the test accuracy after the last epoch of every seed, and the mean.
"""

# PyTorch is not installed where this file is checked.
# pyright: basic, reportMissingImports=false

import argparse
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from pcsim.assemble import build_network
from pcsim.assemble.inputs import load_samples, read_dataset
from pcsim.scenario import Scenario, read_scenario
from tools.data.published import dense_rows
from tools.studies.trials import spread


def network_of(scenario: Scenario) -> nn.Sequential:
    """Return the dense chain of a scenario, with PyTorch's own draws of its orthogonal weights."""
    layers: list[nn.Module] = []
    widths: Any = scenario.network.widths
    for n_in, n_out in pairwise(widths):
        layer = nn.Linear(n_in, n_out)
        nn.init.orthogonal_(layer.weight, scenario.network.gain)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.GELU()]
    layers[-1] = nn.Sigmoid() if scenario.network.output_activation == "sigmoid" else nn.Identity()
    return nn.Sequential(*layers)


def trained(scenario: Scenario, seed: int, parts: list[torch.Tensor]) -> float:
    """Return the test accuracy in per cent after the epochs of a scenario.

    `parts` are x (samples, inputs) and y (samples, classes) to learn from, and those to test on.
    """
    torch.manual_seed(seed)
    table: Any = scenario.learning
    x, y, x_test, y_test = parts
    network, squared = network_of(scenario), scenario.inference.loss == "squared-error"
    optimizer = torch.optim.Adam(network.parameters(), lr=table.lr)
    for _ in range(table.epochs):
        for batch in torch.randperm(len(x))[: len(x) // table.batch * table.batch].split(table.batch):
            outputs, targets = network(x[batch]), y[batch]
            if squared:
                loss = 0.5 * (outputs - targets).square().sum(dim=1).mean()
            else:
                loss = nn.functional.cross_entropy(outputs, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        right = network(x_test).argmax(dim=1) == y_test.argmax(dim=1)
    return 100.0 * float(right.double().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the network of a row of backpropagation by PyTorch.")
    rows = [row.scenario for row in dense_rows() if row.method == "bp"]
    parser.add_argument("scenario", choices=rows, metavar="SCENARIO", help=", ".join(rows))
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    scenario = read_scenario(given.scenario)
    found = load_samples(scenario, build_network(scenario), read_dataset(scenario))
    if found.test is None:
        raise SystemExit(f"{given.scenario}: no samples to test on")
    arrays = (found.train.x, found.train.y, found.test.x, found.test.y)
    parts = [torch.from_numpy(np.asarray(array, dtype=np.float32)) for array in arrays]
    accuracies: list[float] = []
    for seed in range(given.seeds):
        accuracies.append(trained(scenario, seed, parts))
        print(f"seed {seed}: {accuracies[-1]:.2f} %", flush=True)
    print(f"{given.scenario}: {spread(accuracies)} %")


if __name__ == "__main__":
    main()
