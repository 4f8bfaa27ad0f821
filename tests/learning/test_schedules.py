"""Learning rates at the points that define their schedules."""

import math
from itertools import pairwise

import pytest

from pcsim.learning import Constant, Schedule, StepDecay, WarmupCosine


@pytest.mark.parametrize("total", [1, 2, 7, 1000])
def test_every_schedule_starts_at_its_learning_rate(total: int) -> None:
    for schedule in (Constant(0.3), WarmupCosine(0.3), StepDecay(0.3, 5, 0.1)):
        assert isinstance(schedule, Schedule)
        assert schedule.rate(1, total) == 0.3


def test_warmup_cosine_passes_through_its_published_points() -> None:
    schedule, total = WarmupCosine(0.02), 1001
    rates = [schedule.rate(k, total) for k in range(1, total + 1)]
    assert math.isclose(rates[50], 1.05 * 0.02, rel_tol=1e-14)
    assert math.isclose(rates[100], 1.1 * 0.02, rel_tol=1e-14)
    assert math.isclose(rates[550], (1.1 + 0.1) / 2 * 0.02, rel_tol=1e-12)
    assert math.isclose(rates[1000], 0.1 * 0.02, rel_tol=1e-14)
    assert max(rates) == rates[100]
    assert all(a < b for a, b in pairwise(rates[:101]))
    assert all(a > b for a, b in pairwise(rates[100:]))


@pytest.mark.parametrize(("warmup", "first", "last"), [(0.0, 1.1, 0.1), (1.0, 1.0, 1.1)])
def test_warmup_may_take_none_or_all_of_the_updates(warmup: float, first: float, last: float) -> None:
    schedule = WarmupCosine(1.0, warmup)
    assert math.isclose(schedule.rate(1, 10), first)
    assert math.isclose(schedule.rate(10, 10), last)


def test_step_decay_holds_its_rate_between_steps() -> None:
    schedule = StepDecay(1.0, 3, 0.5)
    assert [schedule.rate(k, 9) for k in range(1, 10)] == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]
