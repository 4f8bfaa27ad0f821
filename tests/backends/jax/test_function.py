"""A function as a layer part: products by JAX, increments that keep their digits."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pcsim_jax.function import Function
from pcsim_jax.namespace import JaxNamespace

pytestmark = pytest.mark.usefixtures("jax_in_double")
XP = JaxNamespace()


def mixed(own: Any, s: Any) -> Any:
    return jax.nn.softmax(s @ own["W"]) * jnp.sum(s) + own["b"]


def weighted(own: Any, s: Any, v: Any) -> Any:
    return jnp.sum(v * jax.vmap(mixed, in_axes=(None, 0))(own, s))


PART = Function((5,), mixed, (("W", (5, 4)), ("b", (4,))))


def drawn() -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    own = {"W": rng.standard_normal((5, 4)), "b": rng.standard_normal(4)}
    return own, *(rng.standard_normal((3, n)) for n in (5, 5, 4))


def test_its_products_are_those_of_its_jacobian() -> None:
    assert PART.output_shape((5,)) == (4,)

    @jax.jit
    def both(own: Any, s: Any, ds: Any, v: Any) -> Any:
        ours = PART.pullback(XP, own, s, v), PART.pushforward(XP, own, s, ds), PART.gradient(XP, own, s, v)
        jacobian = jax.vmap(jax.jacobian(mixed, argnums=1), in_axes=(None, 0))(own, s)
        slopes = jax.grad(weighted)(own, s, v)
        theirs = jnp.einsum("boi,bo->bi", jacobian, v), jnp.einsum("boi,bi->bo", jacobian, ds), slopes
        hessian = jax.vmap(jax.hessian(weighted, argnums=1), in_axes=(None, 0, 0))(own, s[:, None], v[:, None])
        turned = jnp.einsum("bij,bj->bi", hessian.reshape(-1, 5, 5), ds)
        return (*ours, PART.bend(XP, own, s, v, ds)), (*theirs, turned)

    for ours, theirs in zip(*map(jax.tree.leaves, both(*drawn())), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11)


def test_an_increment_in_float32_keeps_its_digits_however_short_it_is() -> None:
    @jax.jit
    def increment(own: Any, s: Any, ds: Any) -> Any:
        return PART.increment(XP, own, PART.anchor(XP, own, s), None, ds)[0]

    own, s, ds, _ = jax.tree.map(np.float32, drawn())
    for size in (1e-9, 1e-4, 0.1, 2.0):
        way = (np.float32(size) * ds / np.abs(ds).max()).astype(np.float32)
        found, exact = increment(own, s, way), increment(*jax.tree.map(np.float64, (own, s, way)))
        assert found.dtype == np.float32
        assert jnp.max(jnp.abs(found - exact)) < 16 * np.finfo(np.float32).eps * jnp.max(jnp.abs(exact))
