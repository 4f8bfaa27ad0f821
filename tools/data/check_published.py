#!/usr/bin/env python3
"""Compare shipped scenarios with the published tables in tests/published/, key by key: says what differs, and fails.

Compared is the scenario as it is resolved, so that a default, too, must be the published value. Data sets are not: the
EO paper's MNIST is EMNIST's split. Of Alonso et al. rates, step sizes and epochs are not, which their text leaves out.

usage: python -m tools.data.check_published
"""

import sys
from typing import Any

from pcsim.scenario import Scenario, read_scenario
from tools.data.published import (
    LOSS_WORDS,
    METHOD_WORDS,
    AlonsoRow,
    ConvolutionalRow,
    DenseRow,
    accuracies,
    alonso_rows,
    convolutional_rows,
    dense_rows,
)

Values = dict[str, Any]
RELU_GAIN = 2**0.5
COSINE = {"kind": "cosine", "warmup": 0.1, "peak": 1.1, "final": 0.1}
UNCLIPPED: Values = {"learning.clip": None, "learning.patience": None}
ADAM: Values = {"learning.beta1": 0.9, "learning.beta2": 0.999, **UNCLIPPED}
WHOLE: Values = {"data.validation": 0.0, "data.samples": None, "inference.start": "feedforward"}
PLAIN: Values = {
    "network.precisions": 1.0,
    "network.activity_decay": 0.0,
    "network.parametrisation": "standard",
    "network.skip": 0,
    "inference.clamp": "hard",
    "inference.predictions": "local",
    "learning.augment": None,
    "learning.scale": "none",
}
"""What no table names: a paper that did otherwise would say so."""


def dense(row: DenseRow) -> Values:
    """Return the values of a column of Tables D.2 to D.7, and those of appendix D.1 that they share."""
    hidden = 19 if row.deep else 3
    values: Values = {
        "network.widths": (784, *(128,) * hidden, 10),
        "network.activation": "gelu",
        "network.order": "weights-first",
        "network.init": "orthogonal",
        "network.gain": RELU_GAIN,
        "network.bias": True,
        "network.output": "sigmoid" if row.loss == "mse" else "linear",
        "learning.optimizer": "adam",
        "learning.weight_decay": 0.0,
        "learning.schedule": None,
        "learning.batch": 64,
        "learning.lr": float(row.rate),
        # Table D.6 leaves one out, which the list of times in appendix D.1 has.
        "learning.epochs": int(row.epochs or 13),
        "learning.seeds": (0, 1, 2, 3, 4),
        "data.scaling": None,
    }
    values |= _inference(row.method, row.loss, row.step_size, row.steps, "0")
    return PLAIN | ADAM | WHOLE | values


def convolutional(row: ConvolutionalRow) -> Values:
    """Return the values of a column of Table D.12, and those of Tables D.9 to D.11 that they share."""
    steps = "5" if row.method == "eo" else {"vgg-5": "8", "vgg-7": "10", "vgg-9": "12"}.get(row.architecture, "")
    values: Values = {
        "network.input": (32, 32, 3),
        "network.layers": row.convolutions,
        "network.activation": row.activation,
        "network.order": "weights-first",
        "network.init": "pytorch",
        "learning.optimizer": "adamw" if row.method == "so" else "adam",
        "learning.schedule": COSINE,
        "learning.batch": 256,
        "learning.lr": float(row.rate),
        "learning.weight_decay": float(row.decay),
        "learning.epochs": 50 if row.architecture == "resnet-18" else 25,
        "learning.seeds": (0, 1, 2, 3, 42),
        "data.scaling": "standard",
    }
    return PLAIN | ADAM | WHOLE | values | _inference(row.method, row.loss, row.step_size, steps, row.momentum)


def alonso(row: AlonsoRow) -> Values:
    """Return what the text of Alonso et al. (2024, section 6 and A.5) says of a line of its Table 2."""
    values: Values = {
        "network.activation": "relu",
        "network.order": "activation-first",
        "inference.method": row.method,
        "inference.loss": "cross-entropy",
        "learning.optimizer": row.optimizer,
        "learning.batch": 64,
        "learning.weight_decay": 0.0,
        "learning.schedule": None,
        "learning.seeds": (0, 1, 2, 3, 4),
    }
    if row.is_convolutional:
        values["network.layers"] = ((64, 5, 2, 0, False), (128, 5, 2, 0, False), (256, 3, 2, 0, False))
    else:
        values["network.widths"] = (3072, 1024, 1024, 1024, 10)
    if row.method == "sequential":
        values |= {"inference.steps": 3, "inference.optimizer": "gd"}
    if row.optimizer == "mq":
        rho = 0.999 if row.is_convolutional else 0.9999
        values |= {"learning.rho": rho, "learning.r": 1e-6, "learning.lr_min": 1e-3}
    return PLAIN | UNCLIPPED | WHOLE | values


def _inference(method: str, loss: str, step_size: str, steps: str, momentum: str) -> Values:
    values: Values = {"inference.method": METHOD_WORDS[method], "inference.loss": LOSS_WORDS[loss]}
    if method == "bp":
        return values
    values |= {"inference.step_size": float(step_size), "inference.steps": int(steps)}
    if float(momentum):
        return values | {"inference.optimizer": "momentum", "inference.momentum": float(momentum)}
    return values | {"inference.optimizer": "gd"}


def deviations() -> list[str]:
    """Return a line for every key of a shipped scenario that has another value than the published one."""
    wanted = {row.scenario: dense(row) for row in dense_rows()}
    wanted |= {row.scenario: convolutional(row) for row in convolutional_rows()}
    wanted |= {row.scenario: alonso(row) for row in alonso_rows()}
    found = [f"{name}: has a published accuracy, and no published settings" for name in accuracies().keys() - wanted]
    for name, values in wanted.items():
        scenario = read_scenario(name)
        for key, published in values.items():
            shipped = _shipped(scenario, key)
            if shipped != published:
                found.append(f"{name}: {key} = {shipped!r}, published is {published!r}")
    return found


def _shipped(scenario: Scenario, key: str) -> Any:
    """Return a value as published ones are written: of listed layers the convolutions, of a cosine its words.

    Layers that are not convolutions before a dense one are told in full.
    """
    table, word = key.split(".")
    value = getattr(getattr(scenario, table), word)
    if key == "network.layers":
        *convolutions, last = value
        if last.dense is None or any(layer.conv is None for layer in convolutions):
            return tuple(layer.model_dump(exclude_defaults=True) for layer in value)
        # A global pool stands in the text, not in the list of pools.
        return tuple((layer.conv, layer.kernel, layer.stride, layer.padding, layer.pool == 2) for layer in convolutions)
    if key == "learning.schedule" and value is not None:
        return value.model_dump(exclude={"every", "factor"})
    return value


if __name__ == "__main__":
    found = deviations()
    print("\n".join(found) or "all shipped scenarios have the published values")
    sys.exit(bool(found))
