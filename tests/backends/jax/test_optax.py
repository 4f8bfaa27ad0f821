"""Optimisers of Optax by name: the same numbers as the project's own, and as one written here; what is refused."""

import signal
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray
from pcsim_jax import optax_optimizer
from pcsim_jax.arrays import namespace, settings
from pcsim_jax.optax_optimizer import OptaxOptimizer

import pcsim
from pcsim.engine.host import host_namespace
from pcsim.errors import Interrupted, ScenarioError, UsageError
from pcsim.learning import SGD, Adam, Optimizer
from tests.support.own import scenario_with
from tests.support.training_files import assert_same_bits, interrupting

UPDATES = 10
START = np.linspace(-1.0, 1.0, 12).reshape(3, 4)
LION = {"optimizer": "optax.lion", "options": {"b1": 0.8, "b2": 0.95, "weight_decay": 0.02}}


def scenario(**learning: Any) -> dict[str, Any]:
    """Return ten updates in float64 on JAX."""
    data = {"name": "digits", "batch": 8, "samples": 320}
    words = {"epochs": 1, "batch": 32, "lr": 0.01} | learning
    return scenario_with(data=data, learning=words) | {"backend": {"name": "jax", "precision": "float64"}}


def trained(**learning: Any) -> dict[str, NDArray[Any]]:
    with pcsim.run(scenario(**learning)) as trace:
        assert len(trace.training["update"]) == UPDATES
        return dict(trace.trained)


def moved(optimizer: Optimizer, rates: list[float]) -> list[NDArray[Any]]:
    """Return where an array goes by gradients of its own, under `jit` or on the host."""
    compiled = isinstance(optimizer, OptaxOptimizer)
    xp: Any = namespace("float64") if compiled else host_namespace()

    def update(w: Any, memory: Any, rate: Any, k: Any) -> Any:
        gradient = (jnp if compiled else np).cos(k + 3.0 * w)
        return optimizer.update(xp, w, gradient, memory, rate, k)

    with settings():
        one, found = jax.jit(update) if compiled else update, [jnp.asarray(START) if compiled else START]
        memory: Any = optimizer.begin(xp, found[0])
        for k, rate in enumerate(rates, 1):
            w, memory = one(found[-1], memory, rate, k)
            found.append(w)
        return [np.asarray(w) for w in found[1:]]


def lion(gradients: list[NDArray[Any]], w: NDArray[Any], rate: float, b1: float, b2: float, decay: float) -> Any:
    """Chen et al. 2023, Algorithm 2."""
    m = np.zeros_like(w)
    for g in gradients:
        c = b1 * m + (1 - b1) * g
        w = w - rate * (np.sign(c) + decay * w)
        m = b2 * m + (1 - b2) * g
    return w


@pytest.mark.parametrize(
    ("word", "options", "own"),
    [("optax.adam", {"b1": 0.7, "eps": 1e-3}, Adam(beta1=0.7, eps=1e-3)), ("optax.sgd", {}, SGD())],
)
def test_an_array_goes_where_the_projects_own_takes_it(word: str, options: dict[str, Any], own: Optimizer) -> None:
    rates = [0.1 / k for k in range(1, UPDATES + 1)]
    ours = moved(OptaxOptimizer(word, tuple(options.items())), rates)
    for a, b in zip(ours, moved(own, rates), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)


def test_lion_follows_the_gradients_of_every_update() -> None:
    ours = moved(OptaxOptimizer("optax.lion", (("b1", 0.8), ("b2", 0.95), ("weight_decay", 0.02))), [0.1] * UPDATES)
    gradients = [np.cos(k + 3.0 * w) for k, w in enumerate([START, *ours[:-1]], 1)]
    np.testing.assert_allclose(ours[-1], lion(gradients, START, 0.1, 0.8, 0.95, 0.02), rtol=1e-13)


@pytest.mark.exhaustive
def test_first_steps_of_rprop_are_the_rate_of_the_first_update() -> None:
    # Optax's takes each step one update later, and none where the gradient has turned.
    _, second = moved(OptaxOptimizer("optax.rprop"), [0.03, 0.01])
    assert {round(size, 12) for size in np.abs(second - START).ravel().tolist()} == {0.0, 0.03}


BESIDE: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {"rule": "incremental"}),
    ("adam", {"rule": "incremental", "lr": [0.02, 0.01, 0.005]}),
    ("sgd", {"lr": [0.02, 0.01, 0.005], "schedule": {"kind": "cosine"}, "normalise": "variance"}),
    ("adam", {"schedule": {"kind": "cosine"}, "clip": 0.05}),
    ("sgd", {"scale": "per-layer"}),
    ("adam", {"scale": "per-layer", "freeze": [1]}),
    ("adam", {"normalise": "variance"}),
]


@pytest.mark.exhaustive
@pytest.mark.parametrize(("word", "words"), BESIDE)
def test_a_network_learns_what_it_learns_by_the_projects_own(word: str, words: dict[str, Any]) -> None:
    ours, theirs = trained(optimizer=word, **words), trained(optimizer=f"optax.{word}", **words)
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_allclose(theirs[name], array, rtol=1e-10, atol=1e-13, err_msg=name)


@pytest.mark.exhaustive
def test_a_network_learns_by_lion_what_the_update_of_a_trace_says() -> None:
    words = LION | {"epochs": 1, "batch": 320, "lr": 0.003}
    with pcsim.run(scenario(**words)) as trace:
        assert "optax" in trace.provenance["versions"]
        assert pcsim.verify(trace).tolerance == 0
        assert pcsim.verify(trace, backend="numpy").agrees
        update = pcsim.learn_from(trace, ["learning.options.b1=0.5"])
        for name, w in trace.trained.items():
            step = 0.003 * (np.sign(update.gradient[name]) + 0.02 * w)
            np.testing.assert_allclose(update.parameters[name], w - step, rtol=1e-12, atol=1e-15)
        first = {name: trace.trained[name] - w for name, w in trace.network.items()}
        assert all(np.abs(step).max() <= 0.0031 for step in first.values())


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("words", "precision"),
    [
        (LION, "bfloat16"),
        (LION, "float32"),
        ({"optimizer": "optax.rprop"}, "float32"),
        ({"optimizer": "optax.contrib.muon"}, "bfloat16"),
    ],
)
def test_it_goes_on_from_a_checkpoint_to_the_same_bits(words: Any, precision: str, tmp_path: Path) -> None:
    found, whole, broken = scenario(**words, epochs=3), tmp_path / "whole.h5", tmp_path / "broken.h5"
    pcsim.run(found, precision=precision, path=whole).close()
    with pytest.raises(Interrupted):
        pcsim.run(found, precision=precision, path=broken, progress=interrupting(15, signal.SIGINT))
    pcsim.run(found, precision=precision, resume=broken).close()
    assert_same_bits(whole, broken)


@pytest.mark.parametrize(
    ("word", "options", "line"),
    [
        ("optax.lyon", {}, "Optax has no optimizer 'optax.lyon'; it has optax.lion"),
        ("optax.nothing-like-it", {}, "it has optax.adabelief, .*, optax.yogi$"),
        ("optax.scale_by_adam", {}, "Optax has no optimizer 'optax.scale_by_adam'"),
        ("optax.lion", {"beta1": 0.9}, "takes no option 'beta1'; it takes b1, b2, .*"),
        ("optax.lion", {"learning_rate": 0.1}, "takes no option 'learning_rate'; .*; its learning rate is lr"),
        (
            "optax.lbfgs",
            {},
            "'optax.lbfgs' cannot be used: .*: 'value', .*; choose another, or other options",
        ),
        ("optax.contrib.momo", {}, "cannot be used: .* argument: 'value'"),
        *(
            pytest.param(f"optax.contrib.{name}", {}, "looks at all parameters together", marks=pytest.mark.exhaustive)
            for name in ("prodigy", "dog", "dadapt_adamw")
        ),
    ],
)
def test_what_cannot_be_used_is_one_line(word: str, options: dict[str, Any], line: str) -> None:
    with pytest.raises(UsageError, match=line) as caught:
        optax_optimizer.optax_optimizer(word, options)
    assert "\n" not in str(caught.value)


def test_without_optax_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optax_optimizer, "find_spec", lambda name: None)  # pyright: ignore[reportUnknownLambdaType]
    with pytest.raises(UsageError, match=r"^given .*learning.optimizer: .* pip install 'pcsim\[jax,optax\]'$"):
        pcsim.run(scenario(**LION))


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_other_backends_refuse_it_before_they_start(backend: str) -> None:
    line = f"learning.optimizer: backend '{backend}' takes no optimizer of optax, .*; use the backend jax$"
    with pytest.raises(UsageError, match=line):
        pcsim.run(scenario(**LION), backend=backend)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ({"weight_decay": 0.1}, "learning.weight_decay is not used by optimizer 'optax.lion'; remove it, or give what"),
        ({"beta1": 0.5}, "learning.beta1 is not used by optimizer 'optax.lion'"),
        ({"optimizer": "adam"}, "options is not used by optimizer 'adam'; .* write optimizer = \"optax.NAME\" in"),
        ({"options": {"b1": "much"}}, "give a table of numbers and flags by the names that Optax gives them"),
        ({"optimizer": "optix.lion", "options": None}, "one of sgd, .*, or optax.NAME by a name of that package"),
    ],
)
def test_words_that_do_not_go_with_it_are_one_line(words: dict[str, Any], line: str) -> None:
    learning = {name: value for name, value in (LION | words).items() if value is not None}
    with pytest.raises(ScenarioError, match=line) as caught:
        pcsim.run(scenario(**learning))
    assert len(caught.value.problems) == 1


def test_a_name_of_optax_is_not_registered() -> None:
    with pytest.raises(UsageError, match=r"'optax.mine' is one of the package optax; choose a name without"):
        pcsim.register("optimizer", "optax.mine", SGD)


# What is neither deprecated nor asks for a loss, a key, another optimiser or all parameters together.
USABLE = (
    "adabelief adadelta adafactor adagrad adamax adamaxw adamw adan amsgrad fromage lamb lars lion novograd radam "
    "rmsprop sign_sgd sm3 yogi optimistic_gradient_descent contrib.adopt contrib.muon contrib.schedule_free_sgd"
)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", USABLE.split())
def test_an_optimiser_of_optax_moves_an_array_and_what_it_remembers_keeps_its_type(name: str) -> None:
    optimizer, xp = optax_optimizer.optax_optimizer(f"optax.{name}", {}), host_namespace()
    w = np.linspace(-1.0, 1.0, 12, dtype=np.float32).reshape(3, 4)
    memory = known = optimizer.begin(xp, w)
    after = w
    for k in (1, 2):  # some of them only gather in the first
        after, known = optimizer.update(xp, after, np.cos(w), known, np.float32(0.1), k)
    assert after.dtype == np.float32
    assert np.isfinite(after).all()
    assert (after != w).any()
    assert [array.dtype for array in known] == [array.dtype for array in memory]
