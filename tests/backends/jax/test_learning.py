"""Learning under `jit` on JAX against numpy: the same lines, the same numbers."""

from dataclasses import replace
from itertools import cycle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pcsim_jax.arrays import namespace, settings, to_host, to_run
from pcsim_jax.loop import compiled_loop
from pcsim_jax.number.pinned import with_pinned_predictions
from pcsim_jax.program import number

from pcsim.inference import StateOptimization
from pcsim.learning import (
    MQ,
    SGD,
    Adam,
    AdamW,
    AfterEveryStep,
    AtTheEnd,
    Batch,
    Learned,
    Learner,
    Momentum,
    PerLayer,
    fresh,
)
from tests.support.cases import METHODS, Case, make_case
from tests.support.covering import sampled
from tests.support.learning import RATE, assert_same, batches, learner_on, train


def train_compiled(case: Case, learner: Learner, precision: str) -> list[Learned]:
    xp, learner = namespace(precision), replace(learner, inference=with_pinned_predictions(learner.inference))

    @jax.jit
    def update(parameters: Any, memory: Any, x: Any, y: Any, rate: Any, k: Any) -> Learned:
        return Batch(xp, learner, x, y, compiled_loop).learn(parameters, memory, rate, number(k))

    with settings():
        parameters: Any = tuple({k: to_run(v, precision) for k, v in own.items()} for own in case.parameters)
        rate = jnp.asarray(RATE, jnp.float64 if precision == "float64" else jnp.float32)
        memory, found = fresh(xp, learner, parameters), []
        for k, (x, y) in enumerate(batches(case), 1):
            arguments = to_run(x, precision), to_run(y, precision), rate, jnp.int32(k)
            found.append(update(parameters, memory, *arguments))
            parameters, memory = found[-1].parameters, found[-1].memory
    return found


# Of 10 updates; the increment form's exact errors are what single precision agrees on least.
TOLERANCE = {"float64": 1e-11, "float32": 3e-4}


@pytest.mark.exhaustive
@pytest.mark.parametrize(("method", "precision"), [*zip(METHODS, cycle(TOLERANCE)), ("increment", "float32")])
def test_compiled_learning_agrees_with_numpys(method: str, precision: str) -> None:
    case = make_case("gelu", loss="cross-entropy")
    learner = learner_on(METHODS[method](case.energy), optimizer=PerLayer(Momentum(0.5)), clip=0.5)
    assert_parity(case, learner, precision)


# With their own constants, Adam and MQ make large steps of rounding.
OPTIMIZERS = {"sgd": SGD(), "adam": Adam(eps=1e-3), "adamw": AdamW(eps=1e-3), "mq": MQ(r=1.0)}


@pytest.mark.parametrize("way", sampled(["sgd float32", "adam float64", "adamw float32", "mq float32"], ["mq float32"]))
def test_compiled_incremental_learning_agrees_with_numpys(way: str) -> None:
    name, precision = way.split()
    optimizer = OPTIMIZERS[name]
    case = make_case("tanh", mupc=True, skip=2, activation_first=True)
    learner = learner_on(StateOptimization(case.energy), optimizer=optimizer, rule=AfterEveryStep())
    assert_parity(case, learner, precision)


def assert_parity(case: Case, learner: Learner, precision: str) -> None:
    for ours, theirs in zip(train_compiled(case, learner, precision), train(case, learner, precision), strict=True):
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            assert a.dtype == b.dtype
        assert ours.layerwise.dtype == np.float64
        assert_same(ours, theirs, TOLERANCE[precision])


@pytest.mark.exhaustive
@pytest.mark.parametrize("rule", [AtTheEnd(), AfterEveryStep()], ids=["end", "steps"])
def test_learning_in_bfloat16_keeps_its_type(rule: Any) -> None:
    case = make_case()
    learner = learner_on(StateOptimization(case.energy), optimizer=PerLayer(Adam()), rule=rule, clip=1.0)
    last = train_compiled(case, learner, "bfloat16")[-1]
    for array in jax.tree.leaves((last.parameters, last.memory, last.output)):
        assert array.dtype == jnp.bfloat16
        assert np.isfinite(to_host(array).astype(np.float64)).all()
