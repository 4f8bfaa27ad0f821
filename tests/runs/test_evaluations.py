"""Evaluation between updates, and what is held out and waited for."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import pcsim
from pcsim.errors import Interrupted, UsageError
from pcsim.figures.training_plot import draw_curves
from pcsim.runs.experiment import prepare
from tests.support.scenario_files import Files
from tests.support.training_files import TRAINING, UPDATES, assert_same_bits, interrupting, learned

EVERY = UPDATES // 2
EVALUATED = f"learning.evaluate={EVERY}"


def test_evaluations_have_rows_of_their_own_and_change_nothing(files: Files):
    pcsim.run(files.read(TRAINING), path="plain.h5").close()
    with pcsim.run(files.read(TRAINING, EVALUATED, 'trace.log=["csv"]'), path="s.h5") as trace:
        history = trace.training
        assert history["evaluation"].tolist() == list(range(EVERY, 4 * UPDATES + 1, EVERY))
        for name in ("loss", "accuracy"):
            assert np.array_equal(history[f"evaluated_test_{name}"][1::2], history[f"test_{name}"])
        assert "evaluated_validation_loss" not in history
        curves = Figure().subplots()
        draw_curves(curves, [trace])
        within = [np.asarray(line.get_xdata()) for line in curves.get_lines()]
        assert any(np.array_equal(xs, np.arange(1, 9) / 2) for xs in within)
    rows = Path("s-evaluation.csv").read_text().splitlines()
    assert rows[0] == "evaluation,evaluated_test_loss,evaluated_test_accuracy"
    assert len(rows) == 1 + 8
    plain, ours = learned("plain.h5"), learned("s.h5")
    assert all(plain[name].tobytes() == ours[name].tobytes() for name in plain)


def test_evaluations_of_a_validation_split_go_on_after_an_interruption(files: Files):
    scenario = files.read(TRAINING, EVALUATED, "data.validation=0.1", "data.validation_seed=7")
    pcsim.run(scenario, path="whole.h5").close()
    with pytest.raises(Interrupted) as caught:
        pcsim.run(scenario, path="s.h5", progress=interrupting(2 * UPDATES))
    caught.value.trace.close()
    pcsim.run(scenario, resume="s.h5").close()
    assert_same_bits("s.h5", "whole.h5")
    assert np.isfinite(learned("s.h5")["training/evaluated_validation_accuracy"]).all()


def test_one_seed_draws_the_same_validation_samples_for_all(files: Files):
    def held(*changes: str) -> bytes:
        setup = prepare(files.read(TRAINING, "data.validation=0.1", *changes)).training
        assert setup is not None
        assert setup.samples.validation is not None
        return np.asarray(setup.samples.validation.y).tobytes()

    assert held("seed=1") != held("seed=2")
    assert held("seed=1", "data.validation_seed=7") == held("seed=2", "data.validation_seed=7") == held("seed=7")


def test_patience_by_accuracy_keeps_the_most_accurate_epoch(files: Files):
    words = ("data.validation=0.1", "learning.patience=2", "learning.patience_by=accuracy", "learning.lr=0.05")
    with pcsim.run(files.read(TRAINING, *words, "learning.epochs=60")) as trace:
        found = trace.training["validation_accuracy"]
        assert trace.attributes["stopped_early"] == 1
        assert trace.attributes["epoch_kept"] == np.argmax(found) + 1 == len(found) - 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (("learning.patience_by=accuracy",), r'patience_by = "accuracy" does not go with patience, which is not given'),
        (("learning.evaluate=0",), r"learning\.evaluate=0: 0 is not allowed; give a whole number, 1 or more"),
        (
            ("learning.evaluate=9", "data.name=gaussian-line", "network.widths=[1,1]", "inference.loss=squared-error"),
            r"learning\.evaluate=9: there are neither validation nor test samples to measure; set data.validation",
        ),
        (
            (
                *("learning.patience=1", "learning.patience_by=accuracy", "data.validation=0.1"),
                *("data.name=gaussian-line", "network.widths=[1,1]", "inference.loss=squared-error"),
            ),
            r"learning\.patience_by=accuracy: there are no classes, and so no accuracy to wait for",
        ),
    ],
)
def test_what_does_not_go_together_is_one_line(files: Files, changes: tuple[str, ...], said: str):
    with pytest.raises(UsageError, match=said) as error:
        pcsim.run(files.read(TRAINING, *changes))
    assert "\n" not in str(error.value)
