"""Training on CuPy against numpy: the same updates, and on both the way back to a snapshot, bit for bit."""

from dataclasses import replace

import pytest
from pcsim_cupy import CupyBackend
from pcsim_numpy.trainer import NumpyTrainer

from pcsim.errors import UsageError
from pcsim.inference import (
    Halving,
    StateOptimization,
    with_free_input,
)
from pcsim.inference.stopping import StopRule
from pcsim.learning import Adam, AtTheEnd, Momentum, PerLayer
from pcsim.learning.evaluation import Reconstruction
from pcsim.learning.trainer import AdjustableTrainer, TrainingTask
from tests.backends.cupy.devices import BACKENDS
from tests.conformance.training import BATCHES, LEARNERS, OPTIMIZERS, RATES, assert_close, leaves, make
from tests.conformance.training import assert_parity as assert_parity_of
from tests.support.cases import make_case
from tests.support.covering import covering
from tests.support.learning import learner_on

# In float32 numpy's own distance from float64 is up to 2.9e-3 (incremental), CuPy's 1.6e-3.
TOLERANCE = {"float64": 1e-10, "float32": 4e-3}
WITH_KERNELS = [name for name in LEARNERS if name != "halving"]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> CupyBackend:
    return request.param


def assert_parity(backend: CupyBackend, task: TrainingTask) -> None:
    assert_parity_of(backend.trainer(task), task, TOLERANCE[task.precision])


@covering(name=WITH_KERNELS, precision=["float64", "float32"])
def test_updates_agree_with_numpys(backend: CupyBackend, name: str, precision: str) -> None:
    # In single precision Adam divides by differences that rounding decides: momentum is what can be compared.
    assert_parity(backend, make(name, precision, **({} if precision == "float64" else {"optimizer": Momentum(0.9)})))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers_agree_with_numpys(backend: CupyBackend, optimizer: str) -> None:
    assert_parity(backend, make("state", "float64", optimizer=PerLayer(OPTIMIZERS[optimizer]), clip=0.5))


@pytest.mark.parametrize("rule", [StopRule(arrival=True), StopRule(relative_change=0.3), StopRule(grad_norm=0.05)])
def test_stop_rules_take_numpys_steps(backend: CupyBackend, rule: StopRule) -> None:
    assert_parity(backend, make("state", "float64", stop=rule))


def test_a_snapshot_goes_on_to_the_same_bits(backend: CupyBackend) -> None:
    task = make("error", "float32")
    whole, first, second = (backend.trainer(task) for _ in range(3))
    whole.run(BATCHES, RATES)
    first.run(BATCHES[:2], RATES[:2])
    snapshot = first.snapshot()
    first.run(BATCHES[2:], RATES[2:])
    second.restore(snapshot)
    second.run(BATCHES[2:], RATES[2:])
    for a, b, c in zip(*(leaves(trainer.snapshot()) for trainer in (whole, first, second)), strict=True):
        assert a.tobytes() == b.tobytes() == c.tobytes()


@pytest.mark.parametrize("name", ["state", "error", "incremental"])
def test_another_step_size_from_an_update_on(backend: CupyBackend, name: str) -> None:
    task = make(name, "float64")
    ours, theirs = backend.trainer(task), NumpyTrainer(task)
    for trainer in (ours, theirs):
        trainer.run(BATCHES[:2], RATES[:2])
        assert isinstance(trainer, AdjustableTrainer)
        trainer.set_step_size(0.02)
    assert_close(ours.run(BATCHES[2:], RATES[2:]), theirs.run(BATCHES[2:], RATES[2:]), 1e-10)
    assert_close(ours.snapshot(), theirs.snapshot(), 1e-10)


@pytest.mark.parametrize("name", ["state", "incremental"])
def test_free_inputs_are_learned_from(backend: CupyBackend, name: str) -> None:
    task = make(name, "float64")
    learner = replace(task.learner, inference=with_free_input(task.learner.inference))
    assert_parity(
        backend, replace(task, learner=learner, parameters=({}, *task.parameters), evaluation=Reconstruction())
    )


def test_inference_without_kernels_is_refused(backend: CupyBackend) -> None:
    case = make_case("tanh")
    learner = learner_on(Halving(StateOptimization(case.energy)), rule=AtTheEnd(), optimizer=Adam())
    with pytest.raises(UsageError, match=r"no kernels for inference\.step_halving"):
        CupyBackend().trainer(TrainingTask(learner, case.parameters, case.x, case.y, "float64"))
