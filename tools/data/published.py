"""Published settings and accuracies, as tests/published/ holds them."""

import csv
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[2] / "tests" / "published"
METHODS = {"bp": "backpropagation", "eo": "error optimization", "so": "state optimization"}
LOSSES = {"mse": "squared error", "ce": "cross-entropy"}
METHOD_WORDS = {"bp": "backprop", "eo": "error", "so": "state"}
LOSS_WORDS = {"mse": "squared-error", "ce": "cross-entropy"}
_DATA = {
    "MNIST": "mnist",
    "Fashion": "fashion",
    "FashionMNIST": "fashion",
    "C10": "cifar10",
    "CIFAR-10": "cifar10",
    "C100": "cifar100",
    "CIFAR-100": "cifar100",
}


Convolution = tuple[int, int, int, int, bool]
"""Channels, kernel, stride, padding, and whether a pool of 2 by 2 follows."""


class DenseRow(NamedTuple):
    """A column of the EO paper's Tables D.2 to D.7; what is empty there is empty here."""

    table: str
    data: str
    method: str
    deep: bool
    loss: str
    step_size: str
    steps: str
    rate: str
    epochs: str

    @property
    def scenario(self) -> str:
        """Name of the scenario with these values."""
        return f"train-{'deep-' if self.deep else ''}{self.data}-{self.method}-{self.loss}"


class ConvolutionalRow(NamedTuple):
    """A column of the EO paper's Table D.12."""

    data: str
    loss: str
    method: str
    architecture: str
    step_size: str
    momentum: str
    rate: str
    decay: str
    activation: str
    convolutions: tuple[Convolution, ...]

    @property
    def scenario(self) -> str:
        """Name of the scenario with these values."""
        return f"train-{self.data}-{self.architecture.replace('-', '')}-{self.method}-{self.loss}"


class AlonsoRow(NamedTuple):
    """A line of Table 2 of Alonso et al. (2024) for one network: method and optimiser, in our words."""

    data: str
    is_convolutional: bool
    method: str
    optimizer: str
    mean: float
    deviation: float

    @property
    def scenario(self) -> str:
        """Name of the scenario with these values."""
        method = "bp" if self.method == "backprop" else "seqil"
        ending = "" if self.optimizer == "sgd" else f"-{self.optimizer}"
        return f"train-{self.data}-{'conv' if self.is_convolutional else 'mlp'}-{method}{ending}"


class Accuracy(NamedTuple):
    """A published test accuracy in per cent, its deviation over seeds, and where it stands."""

    table: str
    mean: float
    deviation: float


def dense_rows() -> list[DenseRow]:
    """Return the columns of Tables D.2 to D.7."""
    return [
        DenseRow(
            row["table"],
            _DATA[row["data"]],
            row["algo"].lower(),
            row["arch"] == "Deep",
            row["loss"].lower(),
            row["e_lr"],
            row["T"],
            row["w_lr"],
            row["epochs"],
        )
        for row in _rows("eo-dense.csv")
    ]


def convolutional_rows() -> list[ConvolutionalRow]:
    """Return the columns of Table D.12; ResNet-18, of which it names no activation, has relu."""
    networks = {row["arch"]: _convolutions(row) for row in _rows("eo-architectures.csv")}
    return [
        ConvolutionalRow(
            _DATA[row["data"]],
            row["loss"].lower(),
            row["algo"].lower(),
            row["arch"].lower(),
            row["s_e_lr"],
            row["momentum"],
            row["w_lr"],
            row["w_decay"],
            row["act"] or "relu",
            networks[row["arch"]],
        )
        for row in _rows("eo-convolutional.csv")
    ]


def _convolutions(row: dict[str, str]) -> tuple[Convolution, ...]:
    columns = [map(int, row[name].split()) for name in ("channels", "kernels", "strides", "paddings")]
    pools = set(map(int, row["pools"].split()))
    return tuple((*sizes, i in pools) for i, sizes in enumerate(zip(*columns, strict=True)))


def alonso_rows() -> list[AlonsoRow]:
    """Return the lines of Table 2 of Alonso et al. (2024) that a scenario stands for, those on CIFAR-10."""
    found: list[AlonsoRow] = []
    for row in _rows("alonso-accuracies.csv"):
        if row["data"] == "CIFAR-10":
            method, _, optimizer = row["method"].partition("-")
            word = "backprop" if method == "BP" else "sequential"
            own = _DATA[row["data"]], row["network"] == "conv", word, optimizer.lower() or "sgd"
            found.append(AlonsoRow(*own, float(row["mean"]), float(row["sd"])))
    return found


def accuracies() -> dict[str, Accuracy]:
    """Return the published accuracies (top 1) by the scenario that stands for them; not what the paper copies."""
    found: dict[str, Accuracy] = {}
    for row in _rows("eo-accuracies.csv"):
        if row["metric"] != "top1":
            continue
        data, network = _DATA[row["data"]], row["arch"].replace("-", "").lower()
        name = {"mlp": f"train-{data}", "deepmlp20": f"train-deep-{data}"}.get(network, f"train-{data}-{network}")
        table = f"Table {row['table']}"
        for method in METHODS:
            mean, deviation = row[method.upper()], row[f"{method.upper()}_sd"]
            if not mean.endswith("*"):
                found[f"{name}-{method}-{row['loss'].lower()}"] = Accuracy(table, float(mean), float(deviation))
    return found


def _rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
