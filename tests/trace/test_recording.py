"""Recording: which steps, in blocks of bounded size, without a row lost or doubled."""

import itertools
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcsim.trace import Block, recording
from pcsim.trace.recording import BYTES_PER_BLOCK, ROWS_PER_BLOCK, Recorder, every_so_many, log_spaced


@given(steps=st.integers(0, 3000), every=st.integers(1, 4000))
def test_every_so_many_steps_from_the_start(steps: int, every: int) -> None:
    assert list(every_so_many(steps, every)) == [step for step in range(steps + 1) if step % every == 0]


def test_a_plan_takes_no_memory_however_many_steps() -> None:
    assert sys.getsizeof(every_so_many(10**15, 1)) < 100


@given(steps=st.integers(0, 10**12), count=st.integers(2, 300))
def test_log_spaced_steps_are_ascending_and_at_most_as_many(steps: int, count: int) -> None:
    found = np.array(log_spaced(steps, count))
    assert found[0] == 0
    assert found[-1] <= steps
    assert (np.diff(found) > 0).all()
    assert len(found) <= count
    if count > 2:
        assert found[-1] == steps
    ratios = found[2:] / found[1:-1]
    # beyond rounding to whole steps, neighbours stand in one ratio
    assert (np.abs(ratios[found[1:-1] > 1000] / ratios[-1:] - 1) < 0.01).all()


class Clock:
    """A clock that stands still, or moves a second at each look."""

    def __init__(self, tick: float) -> None:
        self.tick = tick
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += self.tick
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(0.0)
    monkeypatch.setattr(recording, "time", clock)
    return clock


def record(rows: int, names: set[str], units: int = 1, samples: int = 2) -> list[Block]:
    """Record rows whose every number is their step; return the blocks."""
    blocks: list[Block] = []
    recorder = Recorder(range(rows), frozenset(names), blocks.append)
    for step in range(rows):
        states = [np.full((samples, units), float(step))] if recorder.wants_states else None
        errors = [np.full((samples, units), float(step))] * 2 if recorder.wants_errors else None
        norms = np.full(2, float(step)) if recorder.wants_gradient else None
        assert recorder.due(step)
        recorder.add(step, np.full((2, samples), float(step)), norms, states, errors)
    recorder.flush()
    return blocks


def test_blocks_have_at_most_64_rows(clock: Clock):
    blocks = record(200, {"energy"})
    assert [len(block.clock) for block in blocks] == [64, 64, 64, 8]
    assert ROWS_PER_BLOCK == 64


def test_blocks_of_large_rows_stay_below_their_size(clock: Clock):
    units = 2**18
    blocks = record(10, {"states"}, units=units)
    row = 2 * units * 8
    assert len(blocks) > 1
    for block in blocks:
        assert block.states is not None
        assert block.states[0].nbytes <= BYTES_PER_BLOCK + row


def test_slow_rows_are_handed_on_at_once(clock: Clock):
    clock.tick = 1.0
    assert [len(block.clock) for block in record(5, {"energy"})] == [1] * 5


@pytest.mark.parametrize(
    "names", [set[str](), {"energy"}, {"grad_norm", "errors"}, {"energy", "energy_per_sample", "states", "errors"}]
)
def test_no_row_is_lost_and_only_what_was_asked_for_is_kept(clock: Clock, names: set[str]):
    blocks = record(130, names)
    assert list(itertools.chain(*(block.clock.tolist() for block in blocks))) == list(range(130))
    for block in blocks:
        each = ("energy", "grad_norm", "energy_per_sample", "states", "errors")
        assert {name for name in each if getattr(block, name) is not None} == names
        for name in names & {"energy", "grad_norm", "energy_per_sample"}:
            rows = block.array(name)
            assert (rows == block.clock.reshape(-1, *(1 for _ in rows.shape[1:]))).all()


def test_energies_are_means_over_the_batch():
    blocks: list[Block] = []
    recorder = Recorder((0,), frozenset({"energy", "energy_per_sample"}), blocks.append)
    recorder.add(0, np.array([[1.0, 3.0], [5.0, 9.0]]), None, None, None)
    recorder.flush()
    recorder.flush()
    (block,) = blocks
    assert block.energy is not None
    assert block.energy_per_sample is not None
    assert block.energy.tolist() == [[2.0, 7.0]]
    assert block.energy_per_sample.tolist() == [[[1.0, 3.0], [5.0, 9.0]]]


def test_steps_that_were_passed_over_are_not_due_later():
    recorder = Recorder((0, 3, 4, 9), frozenset({"energy"}), lambda block: None)
    assert [step for step in (0, 1, 2, 3, 7, 8, 9, 10) if recorder.due(step)] == [0, 3, 9]
