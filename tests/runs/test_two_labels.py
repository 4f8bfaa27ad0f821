"""One unit that tells two labels apart: 0 and 1 or −1 and 1, integers or floats, decided on the whole data set."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pcsim
from pcsim.errors import UsageError
from pcsim.learning.metrics import measures_of
from tests.support.covering import covering
from tests.support.npz_files import LEARNING, OWN, samples, write
from tests.support.scenario_files import Files

X = samples()["x"]
LABELS = (X[:, 0] > X[:, 1]).astype(np.int64)
ONE_UNIT = (OWN + LEARNING).replace("[4, 6, 3]", "[4, 6, 1]").replace("epochs = 3", "epochs = 8")
LOSSES = ("binary-cross-entropy", "squared-error")


def one_unit(files: Files, loss: str, y: NDArray[Any], *changes: str, **tests: NDArray[Any]) -> pcsim.Trace:
    write(y=y, **{"x_test": X, "y_test": y, **tests})
    return pcsim.run(files.read(ONE_UNIT.replace("cross-entropy", loss), *changes), path="t.h5", force=True)


@covering(loss=LOSSES, kind=[np.int64, np.uint8, np.float32, "column"])
def test_two_labels_have_an_accuracy(files: Files, loss: str, kind: Any):
    y = LABELS.astype(np.float64)[:, None] if kind == "column" else LABELS.astype(kind)
    with one_unit(files, loss, y) as trace:
        targets, accuracy = trace.data["y"][:, 0], trace.training["test_accuracy"][-1]
    assert targets.tolist() == LABELS[:8].tolist()
    scores = pcsim.evaluate("t.h5")
    assert scores.test is not None
    assert scores.test.accuracy == accuracy > 0.5


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_minus_one_and_one_are_two_labels_too(files: Files, loss: str, kind: Any):
    y = (2 * LABELS - 1).astype(kind)
    with one_unit(files, loss, y) as trace:
        low = 0.0 if loss == "binary-cross-entropy" else -1.0
        assert trace.data["y"][:, 0].tolist() == np.where(LABELS > 0, 1.0, low)[:8].tolist()
        assert trace.training["test_accuracy"][-1] > 0.5


def test_a_logit_counts_as_one_above_zero_and_a_value_above_the_middle():
    outputs = np.array([[0.4], [0.6], [-0.1], [0.5], [0.3], [np.nan]])
    targets = np.array([[1.0], [1.0], [0.0], [0.0], [0.0], [1.0]])
    assert measures_of(np.zeros(6), outputs, targets, 2).accuracy == 3 / 6
    assert measures_of(np.zeros(6), outputs, targets, 2, 0.5).accuracy == 4 / 6
    assert measures_of(np.zeros(6), outputs, np.where(targets > 0, 1.0, -1.0), 2).accuracy == 3 / 6


def test_labels_are_those_of_the_whole_data_set(files: Files):
    """The first batch holds ones alone; of floats one other value makes all of them values to regress on."""
    ordered = np.sort(LABELS)[::-1]
    with one_unit(files, LOSSES[0], ordered.copy()) as trace:
        assert trace.data["y"].tolist() == [[1.0]] * 8
        assert np.isfinite(trace.training["test_accuracy"]).all()
    with one_unit(files, LOSSES[0], ordered.astype(float), y_test=np.full(24, 0.25)) as trace:
        assert np.isnan(trace.training["train_accuracy"]).all()
    with pytest.raises(
        UsageError, match=r"labels run 0\.\.2 but the network has 1 output unit, which tells 0 from 1 or "
    ):
        one_unit(files, LOSSES[0], np.r_[np.zeros(12, int), np.full(12, 2)])
    with pytest.raises(UsageError, match=r"y\[20\] = 0\.5 is not a label"):
        one_unit(files, LOSSES[0], np.r_[np.zeros(20), 0.5, np.ones(3)], "network.widths=[4, 6, 2]")


def test_minus_one_does_not_go_with_other_labels_or_more_units(files: Files):
    with pytest.raises(UsageError, match="label -1 at sample 0; labels are whole numbers from 0, or -1 and 1 alone"):
        one_unit(files, LOSSES[0], np.r_[-1, np.full(23, 2)])
    with pytest.raises(UsageError, match=r"labels run -1\.\.1 .* 2 output units; .* in 1, or store the labels 0 and 1"):
        one_unit(files, LOSSES[0], 2 * LABELS - 1, "network.widths=[4, 6, 2]")


def test_a_label_that_is_the_input_is_inferred(files: Files):
    text = (OWN + LEARNING).replace("[4, 6, 3]", "[1, 6, 4]").replace("cross-entropy", "squared-error")
    write(y=LABELS, x_test=X, y_test=LABELS)
    with pcsim.run(files.read(text, 'data.task="generative"')) as trace:
        assert np.isfinite(trace.training["test_accuracy"]).all()
