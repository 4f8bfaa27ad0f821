"""Parts and layers of them: every product beside JAX's automatic differentiation of the forward map."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray
from pcsim_jax.namespace import JaxNamespace
from pcsim_numpy import NumpyBackend

from pcsim.model.activations import Gelu, Tanh
from pcsim.model.initialisers import PyTorch, drawn
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
    Pointwise,
    Scale,
)
from pcsim.model.windows import Window
from tests.support.covering import sampled

pytestmark = pytest.mark.usefixtures("jax_in_double")
XP, JXP = NumpyBackend.namespace, JaxNamespace()
IMAGE = (7, 6, 3)


def convolved(*window: int, channels: int = 4) -> Convolution:
    return Convolution(IMAGE, channels, Window(*window))


CHAINS = {
    "dense": ((5,), (Dense(5, 4), Pointwise(Tanh()))),
    "activation first": ((5,), (Pointwise(Tanh()), Dense(5, 4), Scale(0.3))),
    "convolution": (IMAGE, (convolved(3, 1, 1),)),
    "convolution, stride": (IMAGE, (convolved(3, 2, 1), Pointwise(Gelu()))),
    "convolution, wide padding": (IMAGE, (convolved(2, 3, 2), Pointwise(Tanh()))),
    "convolution of one place": (IMAGE, (convolved(6, 1, 0), Pointwise(Tanh()))),
    "one by one": (IMAGE, (convolved(1, 2, 0), BatchNorm(4))),
    "max pool": (IMAGE, (convolved(3, 1, 1), Pointwise(Gelu()), MaxPool((7, 6, 4), 2, 2))),
    "average pool": (IMAGE, (convolved(3, 1, 1), Pointwise(Tanh()), AveragePool((7, 6, 4), 3, 2))),
    "global pool": (IMAGE, (BatchNorm(3), Pointwise(Tanh()), AveragePool(IMAGE, 7, 6))),
    "all": (
        IMAGE,
        (
            convolved(3, 1, 1),
            BatchNorm(4),
            Pointwise(Gelu()),
            MaxPool((7, 6, 4), 2, 2),
            Flatten((3, 3, 4)),
            Scale(0.7),
        ),
    ),
    "identity": ((5,), ()),
}


def values(parameters: Any, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Return parameter arrays, none of them at its usual start."""
    found = {name: drawn(PyTorch(), rng, parameter) for name, parameter in parameters.items()}
    return {name: array + 0.3 * rng.random(array.shape) for name, array in found.items()}


def drawn_for(shape: tuple[int, ...], chain: Any, batch: int = 3) -> tuple[Any, ...]:
    rng = np.random.default_rng(sum(map(ord, str(chain))))
    made = chain.output_shape(shape)
    s, ds, v, dv = (rng.standard_normal((batch, *each)) for each in (shape, shape, made, made))
    return values(chain.parameters, rng), s, ds, v, dv


def close(ours: Any, theirs: Any) -> None:
    assert np.shape(ours) == np.shape(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-12)


USUAL = ["activation first", "convolution, wide padding", "all"]


@pytest.mark.parametrize("name", sampled(list(CHAINS), USUAL))
def test_products_of_chains_are_autodiffs(name: str) -> None:
    shape, parts = CHAINS[name]
    chain = Chain(parts)
    theta, s, ds, v, dv = drawn_for(shape, chain)
    value, saved = chain.forward(XP, theta, s)

    def forward(theta: Any, s: Any) -> Any:
        return chain.forward(JXP, theta, s)[0]

    def pulled(theta: Any, s: Any, v: Any) -> Any:
        return jax.vjp(partial(forward, theta), s)[1](v)[0]

    @jax.jit
    def products(theta: Any, s: Any, v: Any) -> Any:
        still, turned = ((ds, each) for each in (jnp.zeros_like(v), dv))
        changes = [jax.jvp(partial(pulled, theta), (s, v), each)[1] for each in (still, turned)]
        pushed = jax.jvp(partial(forward, theta), (s,), (ds,))
        return *pushed, pulled(theta, s, v), jax.vjp(partial(swapped, s), theta)[1](v)[0], changes

    def swapped(s: Any, theta: Any) -> Any:
        return forward(theta, s)

    output, pushed, back, gradient, changes = products(theta, s, v)
    close(value, output)
    close(chain.pullback(XP, theta, saved, v), back)
    close(chain.pushforward(XP, theta, saved, ds), pushed)
    ours = chain.gradient(XP, theta, saved, v)
    assert list(ours) == [name for name, parameter in chain.parameters.items() if parameter.trained]
    for each, found in ours.items():
        close(found, gradient[each])
    second = chain.second(XP, theta, s)
    for tangent, theirs in zip((None, dv), changes, strict=True):
        change = chain.pullback_change(XP, theta, saved, second, v, tangent, ds)
        close(np.zeros_like(s) if change is None else change, theirs)


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-9])
@pytest.mark.parametrize("name", sampled(list(CHAINS), ["activation first", "max pool", "all"]))
def test_increments_of_chains_are_differences_without_cancellation(name: str, size: float) -> None:
    shape, parts = CHAINS[name]
    chain = Chain(parts)
    drawn_arrays = drawn_for(shape, chain)
    theta, s, ds = jax.tree.map(np.float32, drawn_arrays[:3])
    ds *= np.float32(size)
    anchor = chain.anchor(XP, theta, s)
    delta, saved, _ = chain.increment(XP, theta, anchor, s + ds, ds)
    theta64, s64, ds64 = (jax.tree.map(np.float64, each) for each in (theta, s, ds))
    if size > 1e-6:
        truth = chain.forward(XP, theta64, s64 + ds64)[0] - chain.forward(XP, theta64, s64)[0]
    else:
        # The next order of the increment is far below rounding.
        truth = chain.pushforward(XP, theta64, chain.forward(XP, theta64, s64 + 0.5 * ds64)[1], ds64)
    assert delta.dtype == np.float32
    # How far a new winner of a pool was behind the old one is known to the rounding of what is pooled.
    pooled = any(isinstance(part, MaxPool) for part in parts)
    gap = float(np.finfo(np.float32).eps) if pooled and size > 1e-6 else 0.0
    np.testing.assert_allclose(delta, truth, rtol=0, atol=3e-6 * np.abs(truth).max() + gap)
    here = chain.forward(XP, theta, s + ds)[1]
    close_saved(saved, here)


def close_saved(ours: Any, theirs: Any) -> None:
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    a, b = jax.tree.leaves(ours), jax.tree.leaves(theirs)
    for one, other in zip(a, b, strict=True):
        assert one.shape == other.shape
        if one.dtype == bool:
            assert (one != other).mean() < 0.05
        else:
            np.testing.assert_allclose(one, other, rtol=0, atol=2e-5 * max(1.0, np.abs(other).max()))


BLOCK = (6, 6, 4)
RESIDUAL = Layer(
    (
        Branch(1, Chain((Convolution(BLOCK, 5, Window(3, 2, 1), biased=False), BatchNorm(5)))),
        Branch(0, Chain((Convolution(BLOCK, 5, Window(1, 2), biased=False), BatchNorm(5))), "S"),
    ),
    Chain((Pointwise(Gelu()), AveragePool((3, 3, 5), 3, 3))),
)
TWICE = Layer((Branch(1, Chain((Dense(4, 4), Pointwise(Tanh())))), Branch(1)), Chain((Pointwise(Gelu()), Scale(2.0))))


LAYERS: dict[str, Any] = {"residual": (RESIDUAL, {0: BLOCK, 1: BLOCK}), "one state twice": (TWICE, {1: (4,)})}


@pytest.mark.parametrize("case", sampled(LAYERS, ["one state twice"]))
def test_products_of_layers_are_autodiffs(case: tuple[Layer, dict[int, tuple[int, ...]]]) -> None:
    (layer, shapes), rng = case, np.random.default_rng(0)
    made = layer.output_shape(shapes)
    theta = values(layer.parameters, rng)
    states, changes = ({j: rng.standard_normal((3, *shape)) for j, shape in shapes.items()} for _ in range(2))
    v, dv = (rng.standard_normal((3, *made)) for _ in range(2))
    value, saved = layer.forward(XP, theta, states)

    def forward(theta: Any, states: Any) -> Any:
        return layer.forward(JXP, theta, states)[0]

    def swapped(states: Any, theta: Any) -> Any:
        return forward(theta, states)

    def pulled(theta: Any, states: Any, v: Any) -> Any:
        return jax.vjp(partial(forward, theta), states)[1](v)[0]

    only = {1: changes[1]}
    still = {j: only.get(j, np.zeros_like(s)) for j, s in states.items()}

    @jax.jit
    def products(theta: Any, states: Any, v: Any) -> Any:
        turned = [
            jax.jvp(partial(pulled, theta), (states, v), (moved, tangent))[1]
            for moved in (changes, still)
            for tangent in (dv, jnp.zeros_like(v))
        ]
        pushed = jax.jvp(partial(forward, theta), (states,), (changes,))
        return *pushed, pulled(theta, states, v), jax.vjp(partial(swapped, states), theta)[1](v)[0], turned

    output, pushed, back, gradient, turned = products(theta, states, v)
    close(value, output)
    for some in (shapes, [1]):
        found = layer.pullback(XP, theta, saved, v, some)
        assert set(found) == set(some)
        for j, ours in found.items():
            close(ours, back[j])
    close(layer.pushforward(XP, theta, saved, changes), pushed)
    for name, ours in layer.gradient(XP, theta, saved, v).items():
        close(ours, gradient[name])
    second, k = layer.second(XP, theta, states), 0
    for moved in (changes, only):
        for tangent in (dv, None):
            for j, ours in layer.pullback_change(XP, theta, (saved, second), v, tangent, moved).items():
                close(ours, turned[k][j])
            k += 1
    point = (saved, layer.anchor(XP, theta, states))
    after = {j: s + changes[j] for j, s in states.items()}
    delta, (kept, _) = layer.increment(XP, theta, point, [after.get(j) for j in range(2)], changes)
    there, beyond = layer.forward(XP, theta, after)
    close(delta, there - value)
    jax.tree.map(close, kept, beyond)


def test_max_pooling_takes_the_first_of_equal_entries() -> None:
    pool = MaxPool((2, 2, 1), 2, 2)
    s = np.zeros((1, 2, 2, 1))
    _, saved = pool.forward(XP, {}, s)
    assert pool.pullback(XP, {}, saved, np.ones((1, 1, 1, 1))).ravel().tolist() == [1.0, 0.0, 0.0, 0.0]


def test_large_batches_are_gathered_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    convolution, rng = convolved(3, 2, 1), np.random.default_rng(3)
    theta, s = values(convolution.parameters, rng), rng.standard_normal((5, *IMAGE))
    value, saved = convolution.forward(XP, theta, s)
    v = rng.standard_normal(value.shape)
    whole = value, convolution.pullback(XP, theta, saved, v), convolution.gradient(XP, theta, saved, v)["W"]
    monkeypatch.setattr("pcsim.model.gathered.MOST_GATHERED", 1000)
    for ours, theirs in zip(
        (
            convolution.forward(XP, theta, s)[0],
            convolution.pullback(XP, theta, saved, v),
            convolution.gradient(XP, theta, saved, v)["W"],
        ),
        whole,
        strict=True,
    ):
        close(ours, theirs)


def test_live_norms_are_autodiffs_through_their_statistics() -> None:
    chain = Chain((convolved(3, 2, 1), LiveBatchNorm(4), Pointwise(Tanh())))
    theta, s, ds, v, _ = drawn_for(IMAGE, chain)
    value, saved = chain.forward(XP, theta, s)

    @jax.jit
    def products(theta: Any, s: Any, v: Any) -> Any:
        def forward(theta: Any, s: Any) -> Any:
            normed = Chain(chain.parts[:1]).forward(JXP, theta, s)[0]
            mean, variance = normed.mean((0, 1, 2)), normed.var((0, 1, 2))
            scaled = theta["gamma"] * (normed - mean) / jnp.sqrt(variance + 1e-5) + theta["beta"]
            return jnp.tanh(scaled)

        output, back = jax.vjp(forward, theta, s)
        return output, back(v), jax.jvp(partial(forward, theta), (s,), (ds,))[1]

    output, (gradient, back), pushed = products(theta, s, v)
    close(value, output)
    close(chain.pullback(XP, theta, saved, v), back)
    close(chain.pushforward(XP, theta, saved, ds), pushed)
    for name, ours in chain.gradient(XP, theta, saved, v).items():
        close(ours, gradient[name])
