"""Stop rules inside training: every update infers until its own batch meets the rule."""

from typing import Any

import jax
import numpy as np
import pytest

import pcsim
from pcsim.assemble import build_learner, build_network
from pcsim.errors import Interrupted, ScenarioError, UsageError
from pcsim.inference import Halving, StateOptimization
from pcsim.inference.steppers import Decaying, GradientDescent
from pcsim.inference.stopping import StopRule
from pcsim.learning import AfterEveryStep, Batch, Learned, Learner, fresh
from pcsim.learning.optimizers import SGD
from pcsim.report.training_summary import training_headline
from tests.backends.jax.test_learning import train_compiled
from tests.support.cases import METHODS, XP, Case, make_case
from tests.support.covering import sampled
from tests.support.learning import RATE, assert_same, learner_on, train
from tests.support.scenario_files import Files
from tests.support.training_files import TRAINING, assert_same_bits, interrupting

STEPS = 120
RULES = {
    "norm": StopRule(0.3),
    "change": StopRule(relative_change=0.05),
    "arrival": StopRule(arrival=True),
    "all": StopRule(0.3, 0.1, arrival=True),
    "never": StopRule(1e-300),
    "at once": StopRule(1e300),
}


def learn_once(case: Case, learner: Learner) -> Learned:
    memory = fresh(XP, learner, case.parameters)
    return Batch(XP, learner, case.x, case.y).learn(case.parameters, memory, RATE, 1)


@pytest.mark.parametrize("method", ["state", "increment", "error", "sequential"])
@pytest.mark.parametrize("rule", list(RULES))
def test_an_update_is_that_of_as_many_steps_without_a_rule(rule: str, method: str) -> None:
    case = make_case("tanh", widths=(5, 6, 6, 6, 3))
    learner = learner_on(METHODS[method](case.energy), stepper=GradientDescent(0.1), steps=STEPS, stop=RULES[rule])
    stopped = learn_once(case, learner)
    taken = int(stopped.steps) if stopped.steps is not None else -1
    assert {"never": taken == STEPS, "at once": taken == 0}.get(rule, 0 < taken < STEPS)
    if taken == 0:
        assert [bool(s) for s in stopped.has_signal] == [False, False, False, True]
        return
    plain = learn_once(case, learner_on(learner.inference, stepper=learner.stepper, steps=taken))
    assert plain.steps is None
    assert_same(stopped._replace(steps=None), plain, 0.0)


COMPILED = [f"{m} {p}" for m in ("state", "sequential-increment", "halving") for p in ("float64", "float32")]


@pytest.mark.parametrize("way", sampled(COMPILED, ["sequential-increment float32"]))
def test_compiled_updates_take_as_many_steps_as_numpys(way: str) -> None:
    method, precision = way.split()
    tolerance = {"float64": 1e-11, "float32": 3e-4}[precision]
    case = make_case("gelu", loss="cross-entropy")
    inference = Halving(StateOptimization(case.energy)) if method == "halving" else METHODS[method](case.energy)
    stepper = Decaying(GradientDescent(0.4), 0.02)
    learner = learner_on(inference, stepper=stepper, steps=STEPS, stop=StopRule(0.1, arrival=True))
    counts = set[int]()
    for ours, theirs in zip(train_compiled(case, learner, precision), train(case, learner, precision), strict=True):
        counts.add(int(theirs.steps or 0))
        assert_same(ours, theirs, tolerance)
    assert len(counts) > 1


def test_updates_in_bfloat16_stop_too() -> None:
    case = make_case("tanh")
    learner = learner_on(StateOptimization(case.energy), steps=STEPS, stop=StopRule(arrival=True))
    for learned in train_compiled(case, learner, "bfloat16"):
        assert 4 <= int(jax.device_get(learned.steps)) < STEPS


def test_incremental_learning_takes_no_stop_rule(files: Files) -> None:
    inference = StateOptimization(make_case().energy)
    with pytest.raises(UsageError, match="the same number of steps in every update"):
        Learner(inference, GradientDescent(0.1), 5, SGD(), AfterEveryStep(), stop=StopRule(1.0))
    (line,) = files.problems(TRAINING + 'rule = "incremental"\n', "inference.stop={arrival=true}")
    assert 'inference.stop does not go with learning.rule = "incremental"' in line


def test_backprop_drops_the_rule_of_an_older_layer(files: Files) -> None:
    text = TRAINING.replace("step_size = 0.1", "step_size = 0.1\nstop = { arrival = true }")
    scenario = files.read(text, "inference.method=backprop")
    assert any("dropped inference.stop" in note for note in scenario.notes)
    assert build_learner(scenario, build_network(scenario)).stop is None
    with pytest.raises(ScenarioError, match=r"inference.stop is not used by method 'backprop'"):
        files.read(text.replace('"state"', '"backprop"').replace('form = "standard"\n', ""))


DEEP = ("network.widths=[64,5,5,5,10]", "inference.steps=9", "learning.epochs=1")


@pytest.mark.parametrize("backend", ["numpy", pytest.param("jax", marks=[pytest.mark.exhaustive, pytest.mark.xla])])
def test_a_trace_holds_the_steps_of_every_update(files: Files, backend: str) -> None:
    with pcsim.run(files.read(TRAINING, *DEEP, "inference.stop={arrival=true}"), backend=backend) as trace:
        np.testing.assert_array_equal(trace.training["steps"], np.full(22, 3))
        assert ", 3 steps of inference an update (3)" in training_headline(trace)
        assert "silent_layers" not in trace.attributes


def test_a_trace_without_a_rule_holds_no_steps(files: Files) -> None:
    with pcsim.run(files.read(TRAINING, *DEEP)) as trace:
        assert "steps" not in trace.training
        assert "steps of inference" not in training_headline(trace)


def test_a_resumed_trace_keeps_the_steps(files: Files) -> None:
    scenario = files.read(TRAINING, "inference.steps=20", "inference.stop={grad_norm=0.3}", "learning.batch=256")
    pcsim.run(scenario, path="whole.h5").close()
    with pytest.raises(Interrupted) as caught:
        pcsim.run(scenario, path="broken.h5", progress=interrupting(8))
    assert caught.value.trace is not None
    caught.value.trace.close()
    with pcsim.run(scenario, resume="broken.h5") as trace:
        steps: Any = trace.training["steps"]
        assert len(steps) == 20
        assert 1 <= steps.min() < steps.max() <= 20
    assert_same_bits("whole.h5", "broken.h5")
