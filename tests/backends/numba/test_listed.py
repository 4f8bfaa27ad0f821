"""Networks of listed layers: convolutions, norms, pools and adds in kernels, beside numpy's."""

import weakref
from typing import Any

import numpy as np
import pytest
from pcsim_numba import NumbaBackend
from pcsim_numba.fused import Blocks, Fused, fused
from pcsim_numba.namespace import NumbaNamespace
from pcsim_numba.pieces import InPieces, in_pieces
from pcsim_numpy import NumpyBackend

from pcsim.conformance.cases import settle_on
from pcsim.engine.backend import Descent, Task
from pcsim.inference import Backprop, ErrorOptimization, Inference
from pcsim.inference.steppers import Adam, GradientDescent, Momentum
from pcsim.learning import MQ, SGD, AdamW, Learner
from pcsim.learning import Adam as AdamWeights
from pcsim.learning import Momentum as MomentumWeights
from pcsim.learning.trainer import TrainingTask
from pcsim.model.activations import Activation, Gelu, LeakyRelu, Linear, Sigmoid, Tanh
from pcsim.model.energy import Energy
from pcsim.model.layers import (
    AveragePool,
    BatchNorm,
    Branch,
    Chain,
    Convolution,
    Dense,
    Flatten,
    Layer,
    LiveBatchNorm,
    MaxPool,
    Part,
    Pointwise,
    Scale,
)
from pcsim.model.losses import CrossEntropy
from pcsim.model.network import Network
from pcsim.model.windows import Window
from tests.model.test_parts import values
from tests.support.cases import KERNEL_METHODS
from tests.support.covering import sampled

NUMBA, NUMPY = NumbaBackend(), NumpyBackend()
IMAGE = (9, 8, 3)


def convolved(shape: tuple[int, int, int], channels: int, *window: int, bias: bool = True) -> Convolution:
    return Convolution(shape, channels, Window(*window), bias)


def chained(*parts: Part, source: int = -1) -> Layer:
    return Layer((Branch(source, Chain(parts)),))


def residual(norm: Any = BatchNorm) -> Network:
    """Return a network with an identity and a projection branch, both pools and a norm behind a dense part."""
    wide, half = (9, 8, 6), (5, 4, 20)
    projection = Branch(0, Chain((convolved(wide, 20, 1, 2), norm(20))), "S")
    return Network(
        IMAGE,
        (
            chained(convolved(IMAGE, 6, 3, 1, 1, bias=False), norm(6), Pointwise(Gelu())),
            Layer((Branch(0, Chain((convolved(wide, 6, 3, 1, 1),))), Branch(0)), Chain((Pointwise(LeakyRelu(0.1)),))),
            Layer(
                (Branch(1, Chain((convolved(wide, 20, 3, 2, 1), norm(20)))), projection),
                Chain((Pointwise(Tanh()), MaxPool(half, 2, 2))),
            ),
            chained(Flatten((2, 2, 20)), Dense(80, 7, False), norm(7), Pointwise(Sigmoid()), source=2),
            chained(Dense(7, 4), Pointwise(Linear()), source=3),
        ),
    )


def energy_of(network: Network) -> Energy:
    free = len(network.layers) - 1
    return Energy(network, CrossEntropy(), (1.5,) + (1.0,) * (free - 1), (0.2,) + (0.0,) * (free - 1))


def drawn(network: Network, batch: int) -> tuple[tuple[dict[str, Any], ...], Any, Any]:
    rng = np.random.default_rng(5)
    y = rng.uniform(0.1, 0.9, (batch, 4))
    return tuple(values(own, rng) for own in network.parameters), rng.standard_normal((batch, *IMAGE)), y


def close(ours: Any, theirs: Any, share: float) -> None:
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=share, atol=share * np.abs(theirs).max(initial=1.0))


ACTIVATIONS: dict[str, Activation] = {"relu": LeakyRelu(0.0), "gelu": Gelu(), "sigmoid": Sigmoid(), "linear": Linear()}
WINDOWS = {
    "5 of 3 1 1": (5, 3, 1, 1),
    "16 of 2 3 2": (16, 2, 3, 2),
    "40 of 5 2 0": (40, 5, 2, 0),
    "16 of 1 2 3": (16, 1, 2, 3),
}
"""Channels, and size, stride and padding."""


@pytest.mark.parametrize("precision", sampled(["float64", "float32"], ["float64"]))
@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("activation", sampled(list(ACTIVATIONS), ["gelu"]))
def test_products_of_fused_parts_are_those_of_the_parts(precision: str, name: str, activation: str) -> None:
    channels, *window = WINDOWS[name]
    own = convolved(IMAGE, channels, *window)
    shape = own.output_shape(IMAGE)
    assert len(shape) == 3
    tile = (2, 1) if channels == 5 else shape[:2]
    pools: list[Part] = [MaxPool(shape, *tile), AveragePool(shape, *tile)]
    for norm in ([], [BatchNorm(channels)]):
        for pool in (None, *pools):
            then = [Pointwise(ACTIVATIONS[activation]), Scale(0.7), *([] if pool is None else [pool])]
            assert_same_products((own, *norm, *then), precision)


@pytest.mark.parametrize("precision", sampled(["float64", "float32"], ["float64"]))
@pytest.mark.parametrize("padding", [0, 1, 2, 3])
def test_products_of_convolutions_in_tiles_are_those_of_the_parts(padding: int, precision: str) -> None:
    own = convolved((9, 8, 32), 48, 3, 1, padding)
    shape = own.output_shape(own.shape)
    assert len(shape) == 3
    assert_same_products((own, BatchNorm(48), Pointwise(Gelu()), MaxPool(shape, 2, 2)), precision, own.shape)


def assert_same_products(parts: tuple[Part, ...], precision: str, image: tuple[int, int, int] = IMAGE) -> None:
    chain, rng = Chain(parts), np.random.default_rng(1)
    network = fused(Network(image, (Layer((Branch(-1, chain),)),)))
    ours = network.layers[0].branches[0].chain
    (part,) = ours.parts
    assert isinstance(part, Fused)
    assert part.parameters == chain.parameters
    assert part.multiplications == sum(own.multiplications for own in parts)
    theta = {name: array.astype(precision) for name, array in values(chain.parameters, rng).items()}
    s = rng.standard_normal((11, *image)).astype(precision)
    v = rng.standard_normal((11, *chain.output_shape(image))).astype(precision)
    space, share = NumbaNamespace(), 1e-12 if precision == "float64" else 3e-5
    results: list[Any] = []
    for xp, each in ((space, ours), (NUMPY.namespace, chain)):
        value, saved = each.forward(xp, theta, s)
        gradient = each.gradient(xp, theta, saved, v)
        results.append((value, each.pullback(xp, theta, saved, v), *(gradient[name] for name in sorted(gradient))))
    assert len(results[0]) == len(results[1])
    for mine, other in zip(*results, strict=True):
        close(mine, other, share)


@pytest.mark.parametrize("side", [4, 8], ids=["sums longer than samples", "samples longer than sums"])
def test_a_gradient_of_blocks_is_that_of_the_batch(side: int) -> None:
    image, xp, rng = (side, side, 128 // side), NumbaNamespace(), np.random.default_rng(2)
    chain = Chain((convolved(image, image[2], 3, 1, 1), Pointwise(Gelu())))
    (part,) = fused(Network(image, (Layer((Branch(-1, chain),)),))).layers[0].parts
    theta = values(chain.parameters, rng)
    s, v = rng.standard_normal((2, 21, *image))
    whole = part.gradient(xp, theta, part.forward(xp, theta, s)[1], v)
    blocks = slice(16), slice(16, None)
    saved = Blocks(part.forward(xp, theta, s[rows])[1] for rows in blocks)
    for name, array in part.gradient(xp, theta, saved, Blocks(v[rows] for rows in blocks)).items():
        close(array, whole[name], 1e-12)


STEPPERS = {"state": GradientDescent(0.1), "error": Adam(0.01, eps=1e-3), "sequential": Momentum(0.05)}


@pytest.mark.parametrize("method", KERNEL_METHODS)
def test_every_method_takes_numpys_steps(method: str) -> None:
    network = residual()
    parameters, x, y = drawn(network, 5)
    stepper = STEPPERS.get(method, GradientDescent(0.1))
    recorded = frozenset(("energy", "grad_norm", "states", "errors", "weight_gradient"))
    inference: Inference = KERNEL_METHODS[method](energy_of(network))
    task = Task(inference, Descent(stepper, 6, range(7)), None, parameters, x, y, None, recorded, "float64")
    (ours, rows), (theirs, others) = settle_on(NUMBA, task), settle_on(NUMPY, task)
    np.testing.assert_array_equal(ours.arrival_steps, theirs.arrival_steps)
    mine, other = (*ours.states, *ours.errors, rows.energy), (*theirs.states, *theirs.errors, others.energy)
    for pair in zip(mine, other, strict=True):
        close(*pair, 1e-12)
    assert ours.gradient is not None
    assert theirs.gradient is not None
    for mine, other in zip(ours.gradient, theirs.gradient, strict=True):
        assert mine.keys() == other.keys()
        for name, array in mine.items():
            close(array, other[name], 1e-11)


LEARNERS: dict[str, tuple[Any, int, Any]] = {
    "error": (ErrorOptimization, 3, BatchNorm),
    "backprop": (Backprop, 1, BatchNorm),
    "live statistics": (Backprop, 1, LiveBatchNorm),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_two_updates_and_an_evaluation_are_numpys(name: str) -> None:
    method, steps, norm = LEARNERS[name]
    network = residual(norm)
    # A batch is more than one block of samples, the last of them smaller.
    parameters, x, y = drawn(network, 42)
    learner = Learner(method(energy_of(network)), GradientDescent(0.1), steps, AdamWeights(eps=1e-3))
    batches = np.arange(42).reshape(2, 21)
    found: list[Any] = []
    for backend in (NUMBA, NUMPY):
        trainer = backend.trainer(TrainingTask(learner, parameters, x, y, "float64"))
        updates = trainer.run(batches, np.array([0.01, 0.01]))
        outcome, diagnosis = trainer.evaluate(x, y), trainer.diagnose(batches[0], 0.01)
        learned = [array for layer in trainer.snapshot().parameters for array in layer.values()]
        found.append((*updates, *outcome, diagnosis.update_ratio, *learned))
    for mine, other in zip(*found, strict=True):
        close(np.asarray(mine), np.asarray(other), 1e-10)


def test_samples_do_not_know_their_batch() -> None:
    network = residual()
    parameters, x, y = drawn(network, 40)
    recorded = frozenset(("energy",))

    def run(rows: slice) -> Any:
        inference = ErrorOptimization(energy_of(network))
        motion = Descent(GradientDescent(0.1), 4, ())
        return NUMBA.settle(
            Task(inference, motion, None, parameters, x[rows], y[rows], None, recorded, "float64"),
            lambda block: None,
            lambda clock: False,
        )

    whole, some = run(slice(None)), run(slice(30, 33))
    np.testing.assert_array_equal(whole.states[1][30:33], some.states[1])


@pytest.mark.parametrize(
    "optimizer", [SGD(0.1), MomentumWeights(0.9), AdamWeights(weight_decay=0.1), AdamW()], ids=type
)
def test_optimisers_in_pieces_keep_every_bit(optimizer: Any) -> None:
    rng, xp = np.random.default_rng(0), NUMPY.namespace
    ours = theirs = rng.standard_normal((3, 3, 90, 100)).astype(np.float32)
    kept, known = in_pieces(optimizer).begin(xp, ours), optimizer.begin(xp, theirs)
    for number in (1, 2):
        gradient = rng.standard_normal(ours.shape).astype(np.float32)
        ours, kept = in_pieces(optimizer).update(xp, ours, gradient, kept, 0.01, number)
        theirs, known = optimizer.update(xp, theirs, gradient, known, 0.01, number)
        np.testing.assert_array_equal(ours, theirs)
    assert isinstance(in_pieces(optimizer), InPieces)
    assert in_pieces(MQ()) == MQ()


def test_kernels_that_nobody_needs_any_more_go() -> None:
    namespace, kernel = NumbaNamespace(), np.ones((3, 3, 2, 4), np.float32)
    namespace.convolve(np.ones((1, 5, 5, 2), np.float32), kernel, Window(3, 1, 1))
    gone = weakref.ref(kernel)
    del kernel
    assert gone() is None
