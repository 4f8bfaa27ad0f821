"""What is no number stays none: in norms, largest values and means that a user is shown."""

from typing import Any

import numpy as np
import pytest

import pcsim
from pcsim.errors import UsageError
from pcsim.landscape import trust_region_direction
from pcsim.studies import load_kind
from pcsim.studies.results import Measured
from tests.support.npz_files import OWN, samples, write
from tests.support.scenario_files import Files
from tests.support.training_files import only_line

NAN = np.nan
LINEAR = (
    OWN.replace("[4, 6, 3]", "[4, 3]")
    .replace('"gelu"', '"linear"\ninit = "normal"\nstd = 1e-10')
    .replace("cross-entropy", "squared-error")
)


def test_the_norm_of_a_gradient_beyond_float64(files: Files, capsys: pytest.CaptureFixture[str]):
    """Of inputs of 1e160 and errors of 1e150, which is what it is: infinite."""
    write(x=1e160 * np.sign(samples()["x"]), y=np.ones((24, 3)), y_test=np.ones((24, 3)))
    pcsim.run(files.read(LINEAR), precision="float64", path="t.h5").close()
    with pcsim.open_trace("t.h5") as trace:
        update = pcsim.learn_from(trace)
    assert np.isinf(update.gradient_norms).all()
    assert "W0 has NaN or infinite entries in float64" in only_line(capsys, ["learn", "t.h5", "-o", "w.npz"], code=1)


def test_a_curvature_beyond_float64_is_one_line(files: Files, capsys: pytest.CaptureFixture[str]):
    write(**samples())
    deep = ["inspect", "s.toml", "--precision", "float64", "--set", "network.widths=[4, 6, 6, 3]"]
    files.write(OWN.replace('"gelu"', '"linear"\ninit = "normal"\nstd = 1e150'))
    assert "the curvature at the start of inference is not a finite number in float64" in only_line(capsys, deep, 2)


def test_no_step_in_a_trust_region_without_numbers():
    with pytest.raises(UsageError, match="are not finite"):
        trust_region_direction(np.ones(2), np.array([[NAN, 0.0], [0.0, 1.0]]), 1.0)


def training(**measures: Any) -> dict[str, Measured]:
    """Return what a study has of two seeds: one of three epochs, one that stopped after two."""
    loss = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, NAN]])
    found = {"train_loss": loss, "test_accuracy": np.array([[0.1, 0.2, 0.5], [0.1, 0.3, NAN]])} | measures
    return {name: Measured(values, ("run", "epoch"), name) for name, values in found.items()}


def test_the_mean_over_seeds_is_of_the_last_epoch_of_each():
    table = load_kind("learning-curves").table
    runs = {"variant": Measured(np.array(["a", "a"]), ("run",), "variant")}
    (row,) = table(runs | training())
    assert (row["training loss"], row["test accuracy, last"]) == ("1.5", "40.0 %")
    (row,) = table(runs | training(test_accuracy=np.array([[0.1, 0.2, NAN], [0.1, 0.3, NAN]])))
    assert row["test accuracy, last"] == "nan %"


def test_the_energy_and_the_loss_of_a_run_that_lost_them():
    runs = {
        "run": Measured(np.array(["a", "b"]), ("run",), "run"),
        "step": Measured(np.array([[0.0, 1.0], [0.0, NAN]]), ("run", "row"), "step"),
        "energy": Measured(
            np.array([[[1.0, 2.0], [1.0, NAN]], [[3.0, 4.0], [NAN, NAN]]]), ("run", "row", "layer"), "energy"
        ),
        "arrival_step": Measured(np.array([[1.0, 0.0], [1.0, 0.0]]), ("run", "layer"), "arrival"),
    }
    rows = load_kind("energies").table(runs | training(test_loss=np.array([[3.0, 2.0, NAN], [3.0, 2.0, NAN]])))
    assert [row["final energy"] for row in rows] == ["nan", "7"]
    assert [row["test loss"] for row in rows] == ["nan", "2"]


def test_no_step_is_said_to_be_reached_by_energies_that_are_none():
    runs = {
        "run": Measured(np.array(["a"]), ("run",), "run"),
        "step": Measured(np.array([[0.0, 1.0]]), ("run", "row"), "step"),
        "energy": Measured(np.array([[[[4.0, 4.0]], [[1.0, NAN]]]]), ("run", "row", "layer", "group"), "energy"),
    }
    rows = load_kind("difficulty").table(runs)
    assert [row["99 % of the way by step"] for row in rows] == ["1", "–"]
