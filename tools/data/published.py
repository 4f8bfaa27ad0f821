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

    @property
    def scenario(self) -> str:
        """Name of the scenario with these values."""
        return f"train-{self.data}-{self.architecture.replace('-', '')}-{self.method}-{self.loss}"


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
        )
        for row in _rows("eo-convolutional.csv")
    ]


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
