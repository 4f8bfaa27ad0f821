"""From the words of `[learning]` to learners, optimisers and schedules."""

import pytest

from pcsim.assemble import build_inference, build_learner, build_network, build_schedule
from pcsim.inference.steppers import GradientDescent
from pcsim.learning import (
    MQ,
    SGD,
    Adam,
    AdamW,
    AfterEveryStep,
    AtTheEnd,
    Constant,
    Momentum,
    Optimizer,
    PerLayer,
    Schedule,
    StepDecay,
    WarmupCosine,
)
from pcsim.scenario import parse_scenario
from tests.support.scenario_files import TEXT, changed

LEARN = TEXT + "[learning]\n"
BACKPROP = (
    changed('"state"\nform = "standard"', '"backprop"').replace("steps = 20\nstep_size = 0.1\n", "") + "[learning]\n"
)
SCHEDULE = 'a table, as in { kind = "cosine" } or { kind = "step", every = 5, factor = 0.5 }'
SEEDS = "a list of whole numbers, 0 or more, each once, as in [0, 1, 2]"


@pytest.mark.parametrize(
    ("lines", "optimizer"),
    [
        ('optimizer = "sgd"\nweight_decay = 0.1', SGD(0.1)),
        ('optimizer = "momentum"\nmomentum = 0.5\nweight_decay = 0.1', Momentum(0.5, 0.1)),
        ("beta1 = 0.1\nbeta2 = 0.2\neps = 0.3\nweight_decay = 0.4", Adam(0.1, 0.2, 0.3, 0.4)),
        ('optimizer = "adamw"\nbeta1 = 0.1\nbeta2 = 0.2\neps = 0.3', AdamW(0.1, 0.2, 0.3, 0.0)),
        ('optimizer = "mq"', MQ()),
        ('optimizer = "mq"\nrho = 0.999\nr = 1e-5\nlr_min = 0', MQ(0.999, 1e-5, 0.0)),
        ('scale = "per-layer"', PerLayer(Adam())),
    ],
)
def test_optimizers(lines: str, optimizer: Optimizer):
    scenario = parse_scenario(LEARN + lines)
    assert build_learner(scenario, build_network(scenario)).optimizer == optimizer


@pytest.mark.parametrize(
    ("line", "schedule"),
    [
        ("lr = 0.1", Constant(0.1)),
        (
            'lr = 0.1\nschedule = { kind = "cosine", warmup = 0.2, peak = 2, final = 0 }',
            WarmupCosine(0.1, 0.2, 2.0, 0.0),
        ),
        ('lr = 0.1\nschedule = { kind = "step", every = 3, factor = 0.1 }', StepDecay(0.1, 21, 0.1)),
    ],
)
def test_schedules_count_in_updates(line: str, schedule: Schedule):
    assert build_schedule(parse_scenario(LEARN + line), updates=7) == schedule


def test_learners():
    scenario = parse_scenario(LEARN + "clip = 2")
    network = build_network(scenario)
    learner = build_learner(scenario, network)
    assert learner.inference == build_inference(scenario, network)
    assert (learner.stepper, learner.steps) == (GradientDescent(0.1), 20)
    assert (learner.rule, learner.clip) == (AtTheEnd(), 2.0)
    incremental = build_learner(parse_scenario(LEARN + 'rule = "incremental"'), network)
    assert (incremental.rule, incremental.clip) == (AfterEveryStep(), None)
    backprop = build_learner(parse_scenario(BACKPROP), network)
    assert (backprop.steps, backprop.rule) == (1, AtTheEnd())


@pytest.mark.parametrize("method", ["state", "sequential"])
def test_every_incremental_scenario_has_a_learner(method: str):
    scenario = parse_scenario(changed('"state"', f'"{method}"') + '[learning]\nrule = "incremental"')
    assert build_learner(scenario, build_network(scenario)).rule == AfterEveryStep()


def test_no_learner_without_the_table():
    scenario = parse_scenario(TEXT)
    with pytest.raises(TypeError, match=r"\[learning\]"):
        build_learner(scenario, build_network(scenario))
