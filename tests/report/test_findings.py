"""What the summary must not leave unsaid."""

import re

import numpy as np
import pytest

import pcsim
from pcsim.report.findings import findings
from pcsim.words import spans
from tests.support.scenario_files import TEXT, Files


def said(*overrides: str, precision: str | None = None) -> str:
    with pcsim.run(pcsim.read_scenario("signal-decay", overrides), precision=precision) as trace:
        return "\n".join(findings(trace))


def test_silent_layers_and_those_below_one_ulp_are_named() -> None:
    text = said()
    assert re.search(r"No signal reached layers? 0.* in 64 steps: \w+ errors are exactly zero in float32", text)
    assert "below one unit in the last place of the states: the standard form in float32 rounds it away" in text
    assert 'inference.form = "increment"' in text


@pytest.mark.parametrize(
    "words", [["inference.predictions=fixed"], ["inference.method=augmented-lagrangian", "inference.dual_every=100"]]
)
def test_other_methods_that_store_states_lose_signals_in_the_same_way(words: list[str]) -> None:
    text = said(*words, "inference.steps=20")
    assert "below one unit in the last place of the states: storing states in float32 rounds it away. Use " in text
    assert 'Use inference.method = "error" or a wider precision' in text


def test_a_run_that_loses_nothing_says_nothing() -> None:
    assert said("inference.form=increment") == ""
    assert said("inference.method=error") == ""


def test_the_end_of_float32s_range_is_said() -> None:
    text = said("inference.form=increment", "inference.step_size=0.01")
    assert "fell below 1.2e-38, where the normal range of float32 ends" in text
    assert said("inference.form=increment", "inference.step_size=0.01", precision="float64") == ""


def test_underflow_to_zero_is_told_from_a_signal_that_has_not_come_yet() -> None:
    text = said("inference.form=increment", "inference.step_size=1e-3", "inference.steps=30")
    assert "where the normal range of float32 ends" in text
    early = said("inference.form=increment", "inference.steps=5")
    assert "No signal reached layers 0 to 13 in 5 steps" in early
    assert "normal range" not in early


def test_nothing_is_said_of_rounding_before_the_first_step() -> None:
    assert "one unit" not in said("inference.steps=0")


@pytest.mark.parametrize(
    ("numbers", "words"), [([3], "3"), ([0, 1], "0, 1"), ([0, 1, 2, 5, 7, 8], "0 to 2, 5, 7, 8"), ([], "")]
)
def test_spans(numbers: list[int], words: str) -> None:
    assert spans(np.array(numbers).tolist()) == words


def test_layers_that_the_signal_reached_late_are_named() -> None:
    text = said(precision="float64")
    # Which layers, and when, hangs on the last bits of products, which differ between processors.
    assert re.search(r"came late to layers 0 .*\(to layer \d at step \d+ instead of \d+\)", text)


def test_a_signal_through_skips_is_due_earlier() -> None:
    text = said("network.skip=3", "inference.form=increment")
    assert text == ""
    assert "No signal reached" not in said("network.skip=3", "inference.steps=12")


def test_stochastic_rounding_is_called_noise() -> None:
    assert "Rounding is stochastic" in said('inference.rounding="stochastic"', 'backend.precision="bfloat16"')


def test_a_free_output_sends_no_signal_that_could_be_lost() -> None:
    assert said("inference.output=free") == ""


def test_weights_that_a_signal_reaches_and_that_stand_still_are_named() -> None:
    # From a zero input ReLUs without biases pass nothing on: errors there are, but no gradient of the first weights.
    words = ["inference.input=free", "network.widths=[8,32,64]", "network.activation=relu", "learning.epochs=1"]
    with pcsim.run(pcsim.read_scenario("autoencode-digits", words)) as trace:
        text = "\n".join(findings(trace))
        assert trace.training["update_ratio"][-1][0] == 0
    assert "The weights of layer 0 did not move at the first update of the last epoch, where a signal was" in text


@pytest.mark.parametrize(
    ("wall", "own", "device", "busy"),
    [
        (154.0, 18.6, "cpu (x86_64)", True),
        (154.0, 100.0, "cpu (x86_64)", False),
        (5.0, 1.0, "cpu (x86_64)", False),
        (154.0, 18.6, "NVIDIA H100", False),
    ],
)
def test_a_busy_machine_is_named(files: Files, wall: float, own: float, device: str, busy: bool) -> None:
    with pcsim.run(files.read(TEXT)) as trace:
        trace.attributes |= {"wall_seconds": wall, "processor_seconds": own, "device": device}
        found = [text for text in findings(trace) if text.startswith("The machine was busy: the run took 3 min and")]
        assert len(found) == busy
