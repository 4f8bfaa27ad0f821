"""Sizes that no memory holds are refused by their key, with what is allowed, before anything is made."""

import re

import pytest

from pcsim.errors import UsageError
from pcsim.runs.simulation import prepare
from tests.support.npz_files import OWN, write
from tests.support.scenario_files import TEXT, Files

HUGE = 10**18
LINE = 'name = "gaussian-line"'
ON_A_LINE = (
    OWN.replace('name = "npz"\nfile = "own.npz"\nbatch = 8', LINE)
    .replace("[4, 6, 3]", "[1, 6, 1]")
    .replace("cross-entropy", "squared-error")
)


@pytest.mark.parametrize("change", [f"network.widths=[4, {HUGE}, 3]", "network.widths=[4, 10000000, 10000000, 3]"])
def test_widths(files: Files, change: str):
    write()
    words = rf"^--set {re.escape(change)}: [\d,]+ parameters take [\d,.]+ GB in float64, .* at most [\d,]+ are allowed"
    with pytest.raises(UsageError, match=words):
        prepare(files.read(OWN, change))


@pytest.mark.parametrize(("text", "key"), [("", "data.batch"), ("\n[learning]\nepochs = 1\n", "data.samples")])
def test_generated_samples(files: Files, text: str, key: str):
    words = rf"^--set {key}={HUGE}: [\d,]+ samples take .*; at most [\d,]+ are allowed here"
    with pytest.raises(UsageError, match=words):
        prepare(files.read(ON_A_LINE + text, f"{key}={HUGE}"))


def test_states_of_a_batch(files: Files, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pcsim.assemble.room.memory_bytes", lambda: 50_000)
    words = r"^--set data\.batch=1000: the states of 1,000 samples take .*; at most 84 are allowed here"
    with pytest.raises(UsageError, match=words):
        prepare(files.read(TEXT, "data.batch=1000"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (("network.hidden.layers=100001", "network.hidden.width=3"), "give a whole number from 0 to 100,000"),
        ((f"trace.every.log={HUGE}",), rf"^--set trace.every.log={HUGE}: 20 steps would make a trace of 1,000,"),
        ((f"inference.steps={HUGE}",), "at most 100,000,000 are allowed; record fewer"),
        (
            (f"sweep.seed={list(range(400))}", f"sweep.inference.steps={list(range(1, 300))}"),
            "119,600 combinations",
        ),
    ],
)
def test_counts(files: Files, changes: tuple[str, ...], words: str):
    with pytest.raises(UsageError, match=words):
        prepare(files.read(TEXT, *changes))
