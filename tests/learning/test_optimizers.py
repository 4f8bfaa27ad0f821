"""Optimisers against their formulas written a second time, across namespaces and at the ends of the number range."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray
from pcsim_jax.arrays import namespace, settings, to_host, to_run
from pcsim_jax.namespace import JaxNamespace
from pcsim_jax.program import number

from pcsim.learning import MQ, SGD, Adam, AdamW, Momentum, Optimizer, PerLayer
from pcsim.learning.clipping import clip_to_norm
from tests.support.cases import XP
from tests.support.covering import covering

RATE = 0.01
UPDATES = 10
SHAPES = {"W": (5, 4), "b": (4,)}
OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": SGD(),
    "sgd-decay": SGD(0.1),
    "momentum": Momentum(0.8),
    "momentum-decay": Momentum(0.8, 0.1),
    "adam": Adam(),
    "adam-decay": Adam(0.8, 0.99, 1e-6, 0.1),
    "adamw": AdamW(weight_decay=0.1),
    "mq": MQ(),
    "mq-decay": MQ(rho=0.75, weight_decay=0.1),
}
Update = Callable[[NDArray[Any], NDArray[Any], int], NDArray[Any]]


def gradients(shape: tuple[int, ...], scale: float = 1.0) -> list[NDArray[np.float64]]:
    rng = np.random.default_rng(sum(shape))
    return [scale * rng.standard_normal(shape) for _ in range(UPDATES)]


def start(shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.random.default_rng(7).standard_normal(shape)


def follow(optimizer: Optimizer, shape: tuple[int, ...], precision: str = "float64", scale: float = 1.0) -> list[Any]:
    dtype = np.dtype(precision)
    w = start(shape).astype(dtype)
    memory, path = optimizer.begin(XP, w), []
    for k, g in enumerate(gradients(shape, scale), 1):
        w, memory = optimizer.update(XP, w, g.astype(dtype), memory, RATE, k)
        assert w.dtype == dtype
        assert all(m.dtype == dtype for m in memory)
        path.append(w)
    return path


@cache
def compiled(optimizer: Optimizer, precision: str) -> Any:
    xp = namespace(precision)

    def update(w: Any, g: Any, memory: Any, rate: Any, k: Any) -> Any:
        return optimizer.update(xp, w, g, memory, rate, number(k))

    return jax.jit(update)


def follow_compiled(optimizer: Optimizer, shape: tuple[int, ...], precision: str, scale: float = 1.0) -> list[Any]:
    update = compiled(optimizer, precision)
    with settings():
        w = to_run(start(shape), precision)
        rate = jnp.asarray(RATE, jnp.float64 if precision == "float64" else jnp.float32)
        memory, path = optimizer.begin(namespace(precision), w), []
        for k, g in enumerate(gradients(shape, scale), 1):
            w, after = update(w, to_run(g, precision), memory, rate, jnp.int32(k))
            assert [m.dtype for m in after] == [m.dtype for m in memory] == [w.dtype] * len(memory)
            memory = after
            path.append(to_host(w))
    return path


def reference(name: str) -> Update:
    """Return a closure over its own memory, in the formulas of the papers and float64."""
    decay = 0.1 if name.endswith("-decay") else 0.0
    seen: list[NDArray[Any]] = []

    def sgd(w: NDArray[Any], g: NDArray[Any], k: int) -> NDArray[Any]:
        return w - RATE * (g + decay * w)

    def momentum(w: NDArray[Any], g: NDArray[Any], k: int) -> NDArray[Any]:
        seen.append(g + decay * w)
        return w - RATE * sum(0.8 ** (k - j) * old for j, old in enumerate(seen, 1))

    def adam_step(k: int, b1: float, b2: float, eps: float) -> NDArray[Any]:
        # The moments as the weighted sums they are, rather than their recurrence.
        m = sum((1 - b1) * b1 ** (k - j) * old for j, old in enumerate(seen, 1)) / (1 - b1**k)
        v = sum((1 - b2) * b2 ** (k - j) * old**2 for j, old in enumerate(seen, 1)) / (1 - b2**k)
        return RATE * m / (np.sqrt(v) + eps)

    def adam(w: NDArray[Any], g: NDArray[Any], k: int) -> NDArray[Any]:
        seen.append(g + decay * w)
        return w - (adam_step(k, 0.8, 0.99, 1e-6) if decay else adam_step(k, 0.9, 0.999, 1e-8))

    def adamw(w: NDArray[Any], g: NDArray[Any], k: int) -> NDArray[Any]:
        seen.append(g)
        return w - RATE * 0.1 * w - adam_step(k, 0.9, 0.999, 1e-8)

    def mq(w: NDArray[Any], g: NDArray[Any], k: int) -> NDArray[Any]:
        g = g + decay * w
        v = seen[-1] if seen else np.float64(RATE)
        a = min(k / (k + 1), 0.75 if decay else 0.9999)
        seen.append(a * v + (1 - a) * np.abs(g).mean())
        return w - (RATE / (v + 1e-6) + 1e-3) * g

    return {"sgd": sgd, "momentum": momentum, "adam": adam, "adamw": adamw, "mq": mq}[name.removesuffix("-decay")]


@pytest.mark.parametrize("parameter", list(SHAPES))
@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_ten_updates_follow_the_published_formula(name: str, parameter: str) -> None:
    shape = SHAPES[parameter]
    w, formula = start(shape), reference(name)
    for k, (g, ours) in enumerate(zip(gradients(shape), follow(OPTIMIZERS[name], shape), strict=True), 1):
        w = formula(w, g, k)
        np.testing.assert_allclose(ours, w, rtol=1e-12, atol=1e-12)


@covering(name=list(OPTIMIZERS), precision=["float32", "float64"])
def test_compiled_updates_agree_with_numpys(name: str, precision: str) -> None:
    optimizer = PerLayer(OPTIMIZERS[name])
    tolerance = 32 * float(np.finfo(precision).eps)
    for inner in (optimizer, optimizer.optimizer):
        ours, theirs = follow_compiled(inner, (5, 4), precision), follow(inner, (5, 4), precision)
        for a, b in zip(ours, theirs, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_updates_leave_their_arguments_as_they_are(name: str) -> None:
    w, g, optimizer = start((5, 4)), gradients((5, 4))[0], OPTIMIZERS[name]
    _, memory = optimizer.update(XP, w, g, optimizer.begin(XP, w), RATE, 1)
    copies = w.copy(), g.copy(), tuple(m.copy() for m in memory)
    optimizer.update(XP, w, g, memory, RATE, 2)
    for now, before in zip((w, g, *memory), (*copies[:2], *copies[2]), strict=True):
        np.testing.assert_array_equal(now, before)


def test_mq_uses_v_before_it_renews_it() -> None:
    """The first gradient has no part in its own rate: α/(α + r) + α_min, 0.969 at the paper's α = 3e-5."""
    moved, memory = MQ().update(XP, np.zeros(2), np.array([1.0, 3.0]), MQ().begin(XP, np.zeros(2)), 3e-5, 1)
    np.testing.assert_allclose(moved, [-0.96874193548387, -3 * 0.96874193548387], rtol=1e-13)
    np.testing.assert_allclose(memory[0], [0.5 * 3e-5 + 0.5 * 2.0], rtol=1e-15)


def test_mq_has_one_rate_for_all_arrays_of_a_layer() -> None:
    own = {name: start(shape) for name, shape in SHAPES.items()}
    slopes = {name: gradients(shape)[0] for name, shape in SHAPES.items()}
    memory = {name: MQ().begin(XP, array) for name, array in own.items()}
    _, memory = MQ().update_layer(XP, own, slopes, memory, RATE, 1)
    size = np.abs(np.concatenate([slope.ravel() for slope in slopes.values()])).mean()
    for (v,) in memory.values():
        np.testing.assert_allclose(v, [0.5 * RATE + 0.5 * size], rtol=1e-14)
    moved, _ = MQ().update_layer(XP, own, slopes, memory, RATE, 2)
    for name, before in own.items():
        rate = (before - moved[name]) / slopes[name]
        np.testing.assert_allclose(rate, RATE / (0.5 * RATE + 0.5 * size + 1e-6) + 1e-3, rtol=1e-10)


# Powers of two that keep all entries in the normal range: scaling by them is exact.
@pytest.mark.parametrize(
    ("precision", "scale"),
    [("float32", 2.0**-100), ("float32", 2.0**-115), ("float32", 2.0**120), ("float64", 2.0**-1000)],
)
@pytest.mark.parametrize("name", ["sgd", "momentum", "adam", "adamw", "mq"])
def test_scaled_updates_do_not_depend_on_the_gradients_size(name: str, precision: str, scale: float) -> None:
    optimizer = PerLayer(OPTIMIZERS[name])
    for run in (follow, follow_compiled):
        small, usual = run(optimizer, (5, 4), precision, scale), run(optimizer, (5, 4), precision)
        np.testing.assert_array_equal(small[-1], usual[-1])
        assert (small[-1] != start((5, 4)).astype(precision)).all()


def test_scaled_updates_in_float32_move_weights_at_1e_30_as_at_1() -> None:
    for run in (follow, follow_compiled):
        tiny, usual = run(PerLayer(Adam()), (5, 4), "float32", 1e-30), run(PerLayer(Adam()), (5, 4), "float32")
        np.testing.assert_allclose(tiny[-1], usual[-1], rtol=0, atol=1e-6)
        plain = run(Adam(), (5, 4), "float32", 1e-30)
        np.testing.assert_array_equal(plain[-1], start((5, 4)).astype(np.float32))


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam", "adamw", "mq"])
def test_scaled_updates_in_bfloat16_do_not_depend_on_the_gradients_size(name: str) -> None:
    optimizer = PerLayer(OPTIMIZERS[name])
    small, usual = (follow_compiled(optimizer, (5, 4), "bfloat16", s) for s in (2.0**-110, 1.0))
    np.testing.assert_array_equal(small[-1], usual[-1])
    assert np.isfinite(usual[-1].astype(np.float64)).all()


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam", "mq"])
def test_a_gradient_of_zeros_moves_nothing(name: str) -> None:
    optimizer, w = PerLayer(OPTIMIZERS[name]), start((5, 4))
    moved, _ = optimizer.update(XP, w, np.zeros((5, 4)), optimizer.begin(XP, w), RATE, 1)
    np.testing.assert_array_equal(moved, w)


def layers(scale: float, dtype: Any) -> tuple[dict[str, NDArray[Any]], ...]:
    rng = np.random.default_rng(3)
    return tuple({k: (scale * rng.uniform(0.5, 1.5, s)).astype(dtype) for k, s in SHAPES.items()} for _ in range(2))


def norm(gradient: Any) -> float:
    entries = np.concatenate([np.asarray(a, dtype=np.longdouble).ravel() for g in gradient for a in g.values()])
    return float(np.sqrt((entries**2).sum()))


@pytest.mark.parametrize(
    ("dtype", "scale"), [("float32", 1e-30), ("float32", 1e37), ("float64", 1e-200), ("float64", 1e200)]
)
def test_a_long_gradient_is_shortened_to_the_limit_in_its_direction(dtype: str, scale: float) -> None:
    gradient = layers(scale, dtype)
    limit = 0.5 * norm(gradient)
    compiled = jax.jit(partial(clip_to_norm, JaxNamespace(), limit=limit))
    with settings():
        results = [clip_to_norm(XP, gradient, limit), compiled(jax.tree.map(jnp.asarray, gradient))]
    tolerance = 8 * float(np.finfo(dtype).eps)
    for clipped in results:
        np.testing.assert_allclose(norm(clipped), limit, rtol=tolerance)
        for ours, before in zip(jax.tree.leaves(clipped), jax.tree.leaves(gradient), strict=True):
            assert ours.dtype == before.dtype
            np.testing.assert_allclose(ours, 0.5 * before, rtol=tolerance)


def test_a_gradient_within_the_limit_stays_the_same_to_the_bit() -> None:
    for gradient in (layers(0.1, "float32"), layers(0.0, "float32")):
        clipped = clip_to_norm(XP, gradient, 1.01 * norm(gradient) + 1e-9)
        for ours, before in zip(jax.tree.leaves(clipped), jax.tree.leaves(gradient), strict=True):
            np.testing.assert_array_equal(ours, before)


def test_clipping_works_in_bfloat16() -> None:
    gradient = layers(1e-20, "float64")
    with settings():
        narrow = tuple({k: to_run(v, "bfloat16") for k, v in g.items()} for g in gradient)
        limit = 0.5 * norm(gradient)
        clipped = jax.jit(partial(clip_to_norm, namespace("bfloat16"), limit=limit))(narrow)
        np.testing.assert_allclose(norm([{k: to_host(v) for k, v in g.items()} for g in clipped]), limit, rtol=2.0**-6)


def test_a_gradient_that_is_not_finite_is_not_made_finite() -> None:
    for bad in (np.nan, np.inf):
        gradient = layers(1.0, "float64")
        gradient[0]["W"][0, 0] = bad
        with np.errstate(invalid="ignore"):
            clipped = clip_to_norm(XP, gradient, 1.0)
        assert not np.isfinite(clipped[0]["W"]).all()


def test_a_largest_entry_that_is_no_number_scales_no_other():
    """Else the numbers beside a NaN would move the weights without being brought into range."""
    update, _ = PerLayer(SGD()).update(XP, np.zeros(3), np.array([1e9, np.nan, 1.0]), {}, RATE, 1)
    assert np.isnan(update).all()
