"""Training on Numba against numpy: the same updates, and on both the way back to a snapshot, bit for bit."""

from dataclasses import replace

import pytest
from pcsim_numba import NumbaBackend
from pcsim_numba.trainer import NumbaTrainer

from pcsim.errors import UsageError
from pcsim.inference import (
    Halving,
    StateOptimization,
    with_free_input,
)
from pcsim.inference.steppers import GradientDescent
from pcsim.inference.stopping import StopRule
from pcsim.learning import Adam, AtTheEnd, Momentum, PerLayer
from pcsim.learning.evaluation import Reconstruction
from pcsim.learning.trainer import TrainingTask
from tests.conformance.training import BATCHES, LEARNERS, OPTIMIZERS, RATES, SAMPLES, leaves, make
from tests.conformance.training import assert_parity as assert_parity_of
from tests.support.cases import make_case
from tests.support.covering import covering
from tests.support.learning import learner_on

TOLERANCE = {"float64": 1e-10, "float32": 1e-3}


def assert_parity(task: TrainingTask) -> None:
    assert_parity_of(NumbaTrainer(task), task, TOLERANCE[task.precision])


@covering(name=list(LEARNERS), precision=["float64", "float32"])
def test_updates_agree_with_numpys(name: str, precision: str) -> None:
    # In single precision Adam divides by differences that rounding decides: momentum is what can be compared.
    assert_parity(make(name, precision, **({} if precision == "float64" else {"optimizer": Momentum(0.9)})))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers_agree_with_numpys(optimizer: str) -> None:
    assert_parity(make("state", "float64", optimizer=PerLayer(OPTIMIZERS[optimizer]), clip=0.5))


@pytest.mark.parametrize("rule", [StopRule(arrival=True), StopRule(relative_change=0.3), StopRule(grad_norm=0.05)])
def test_stop_rules_take_numpys_steps(rule: StopRule) -> None:
    assert_parity(make("state", "float64", stop=rule))


def test_a_snapshot_goes_on_to_the_same_bits() -> None:
    task = make("error", "float32")
    whole, first, second = (NumbaTrainer(task) for _ in range(3))
    whole.run(BATCHES, RATES)
    first.run(BATCHES[:2], RATES[:2])
    snapshot = first.snapshot()
    first.run(BATCHES[2:], RATES[2:])
    second.restore(snapshot)
    second.run(BATCHES[2:], RATES[2:])
    for a, b, c in zip(*(leaves(trainer.snapshot()) for trainer in (whole, first, second)), strict=True):
        assert a.tobytes() == b.tobytes() == c.tobytes()


@pytest.mark.parametrize("name", ["state", "incremental"])
def test_free_inputs_are_learned_from(name: str) -> None:
    task = make(name, "float64")
    learner = replace(task.learner, inference=with_free_input(task.learner.inference))
    assert_parity(replace(task, learner=learner, parameters=({}, *task.parameters), evaluation=Reconstruction()))


def test_steps_are_halved_while_weights_move() -> None:
    task = make("incremental", "float64")
    case = make_case("gelu", loss="cross-entropy", batch=SAMPLES)
    halving = Halving(StateOptimization(case.energy))
    assert_parity(replace(task, learner=replace(task.learner, inference=halving, stepper=GradientDescent(1.5))))


def test_inference_without_kernels_is_refused() -> None:
    class Unheard(StateOptimization):
        """A method of somebody else's."""

    case = make_case("tanh")
    learner = learner_on(Unheard(case.energy), rule=AtTheEnd(), optimizer=Adam())
    with pytest.raises(UsageError, match=r'^numba has no kernels for Unheard; use backend = "jax" or "numpy"$'):
        NumbaBackend().trainer(TrainingTask(learner, case.parameters, case.x, case.y, "float64"))
