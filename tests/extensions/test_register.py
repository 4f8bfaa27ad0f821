"""What `pcsim.register` takes, and what it says of the rest."""

from dataclasses import dataclass
from typing import Any

import pytest
from pcsim_numpy import NumpyBackend

import pcsim
from pcsim.assemble import build_learner, build_network
from pcsim.errors import PcsimWarning, ScenarioError, UsageError
from pcsim.extensions import find
from pcsim.extensions.registry import REGISTERED
from pcsim.scenario import parse_scenario, scenario_of
from tests.support.own import block_of, defined, scenario_with


class Half:
    """An activation that lacks most of what one needs."""

    def forward(self, xp: Any, p: Any) -> Any:
        return 0.5 * p, 0.5


@dataclass
class Unhashable(pcsim.bases.SmoothActivation):
    def value(self, xp: Any, p: Any) -> Any:
        return p

    def slope(self, xp: Any, p: Any) -> Any:
        return 1.0


class Unfinished(pcsim.bases.PlainStepper):
    """A stepper without its increment."""


class OfTarget(pcsim.bases.SmoothLoss):
    """A loss whose bound has other arguments."""

    def value(self, xp: Any, output: Any, target: Any) -> Any:
        return xp.sum(output * target, axis=1)

    def error(self, xp: Any, output: Any, target: Any) -> Any:
        return -target

    def curvature_bound(self, target: Any) -> float:  # type: ignore[override]
        return 0.0


class Nameless(pcsim.bases.StateOptimization):
    """A method that goes by the name of the one it is derived from."""


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("activaton", "a", Half()), "there is no kind 'activaton'; it is one of activation, .*; did you mean 'acti"),
        (("activation", "tanh", Half()), "activation 'tanh' ships with pcsim; choose another name"),
        (("activation", "a b", Half()), "a name begins with a letter"),
        (("activation", "a", Half()), "Half lacks pullback and second and anchor and increment; derive it from pcsim"),
        (("activation", "a", Half), r"give an object, Half\(\)"),
        (("activation", "a", Unhashable()), "Unhashable cannot be hashed; write @dataclass"),
        (("stepper", "a", Unfinished), "Unfinished lacks increment; derive it from pcsim.bases.PlainStepper"),
        (("stepper", "a", Half()), "give the class itself, not an object of Half"),
        (("inference", "a", Nameless), "Nameless calls itself 'state'; write name = \"a\" in it"),
        (
            ("loss", "a", OfTarget()),
            r"OfTarget.curvature_bound is called with \(self, xp, target\); write it with these",
        ),
        (("dataset", "a", 3), "int cannot be called with a seed; give a function of a seed"),
        (("dataset", "a", lambda: ([[0.0]], [0])), "function cannot be called with a seed; give a function of a seed"),
        (("backend", "numpy", Half), "backend 'numpy' ships with pcsim; choose another name"),
        (("backend", "mine", Half), "Half lacks capabilities and estimate and settle; give a class with the methods"),
    ],
)
def test_what_does_not_fit_is_one_line(arguments: tuple[str, str, Any], line: str) -> None:
    with pytest.raises(UsageError, match=line) as caught:
        pcsim.register(*arguments)
    assert "\n" not in str(caught.value)


def test_a_name_is_taken_but_by_the_same_class_again() -> None:
    defined("silu")
    defined("silu")
    with pytest.raises(UsageError, match="activation 'silu' is registered already: SiLU of script"):
        pcsim.register("activation", "silu", Named())


class Named(pcsim.bases.SmoothActivation):
    def value(self, xp: Any, p: Any) -> Any:
        return p

    def slope(self, xp: Any, p: Any) -> Any:
        return 1.0


def test_words_that_are_registered_are_among_those_a_message_names() -> None:
    with pytest.raises(
        ScenarioError, match=r'"silu" is not allowed; give one of linear, .*gelu; a word of your own is'
    ):
        pcsim.run(scenario_with(network={"activation": "silu"}))
    defined("silu")
    with pytest.raises(ScenarioError, match=r"slu\W is not allowed; did you mean 'silu'. Give one of .*, silu$"):
        pcsim.run(scenario_with(network={"activation": "slu"}))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"options": {"width": 2}}, "is part 'divisive', and got an unexpected keyword argument 'width': its options"),
        ({"options": {"sigma": 1.0}, "bias": True}, "is a part, whose bias is its own; remove bias"),
        ({"dense": 3}, "has dense and part; give it one of them"),
    ],
)
def test_wrong_words_of_a_part(changes: dict[str, Any], line: str) -> None:
    defined("divisive")
    with pytest.raises(UsageError, match=line):
        pcsim.run(scenario_with(between={"part": "divisive", **changes}))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            'gradient = lambda self, xp, parameters, s, v: {"g": xp.sum(s * v, axis=0)}',
            "",
            "whose gradient lacks 'g'; wri",
        ),
        ('{"g": xp', '{"c": xp', "whose gradient lacks 'g'; write gradient"),
        ('{"g": xp', '{"c": v, "g": xp', "whose gradient has 'c', which is none it learns"),
        (
            "xp.sum(s * v, axis=0)",
            "s * v",
            r"gradient of 'g' has shape \(2, 6\) for 2 samples of shape \(6,\); \(6,\) is",
        ),
        ("shape: shape", "shape: (1,)", r"whose value has shape \(2, 6\) .* \(2, 1\) is needed"),
        ('v: v * parameters["g"]', "v: v[:, 0]", r"whose pullback has shape \(2,\) .* \(2, 6\) is needed"),
        ('s: s * parameters["g"]', 's: s * parameters["G"]', "which ends in KeyError: 'G'"),
        ("Parameter(self.shape", "Parameter(()", r"shape \(\), without axes; write \(1,\)"),
    ],
)
def test_a_part_that_does_not_give_what_it_says_is_one_line(old: str, new: str, line: str) -> None:
    script, word = block_of("gains"), f"wrong{len(REGISTERED)}"
    assert old in script
    exec(script.replace(old, new).replace('"gains"', f'"{word}"'), {"__name__": word})
    with pytest.raises(UsageError, match=f"^given network.layers.1.: layer 1 has .*{line}") as caught:
        pcsim.run(scenario_with(between={"part": word}))
    assert "\n" not in str(caught.value)


class Summed(pcsim.bases.SmoothActivation):
    def value(self, xp: Any, p: Any) -> Any:
        return xp.sum(p, axis=1)

    def slope(self, xp: Any, p: Any) -> Any:
        return p


class Alone(pcsim.bases.PlainStepper):
    def increment(self, xp: Any, gradient: Any, memory: Any, step: Any) -> Any:
        return -self.step_size * gradient


class Growing(pcsim.bases.PlainOptimizer):
    def update(self, xp: Any, parameter: Any, gradient: Any, memory: Any, rate: Any, number: Any) -> Any:
        return parameter - rate * gradient, (memory[0], memory[0])


class OneForAll(pcsim.bases.SmoothLoss):
    def value(self, xp: Any, output: Any, target: Any) -> Any:
        return xp.sum(output * target, axis=1)

    def error(self, xp: Any, output: Any, target: Any) -> Any:
        return -xp.sum(target, axis=1)


@pytest.mark.parametrize("backend", ["numpy", "jax"])
@pytest.mark.parametrize(
    ("kind", "thing", "words", "line"),
    [
        (
            "activation",
            Summed(),
            {"network": {"activation": "own"}},
            r"\(Summed\): its value is an array of shape \(2,\)",
        ),
        (
            "stepper",
            Alone,
            {"inference": {"optimizer": "own"}},
            r"increment returns an array of shape \(2, 3\); it retu",
        ),
        ("optimizer", Growing, {"learning": {"optimizer": "own"}}, r"remembers has shapes .* began with \(\(4, 3\),\)"),
        (
            "loss",
            OneForAll(),
            {"inference": {"loss": "own"}},
            r"its error is an array of shape \(2,\); an array of sha",
        ),
    ],
)
def test_what_gives_something_else_than_it_should_is_one_line(
    kind: str, thing: Any, words: dict[str, Any], line: str, backend: str
) -> None:
    pcsim.register(kind, "own", thing)
    with pytest.raises(UsageError, match=f"{kind} 'own' {line}" if line.startswith("\\(") else line):
        pcsim.run(scenario_with(**words), backend=backend)


def test_a_pullback_of_another_function_is_told() -> None:
    script = block_of("gains").replace("v: v * parameters", "v: -v * parameters").replace('"gains"', '"turned"')
    exec(script, {"__name__": "turned"})
    with pytest.warns(PcsimWarning, match="Gains: its pullback is not that of its value"):
        pcsim.run(scenario_with(between={"part": "turned"}))


def test_a_stepper_of_ones_own_has_no_automatic_step_size() -> None:
    defined("nesterov")
    with pytest.raises(UsageError, match='optimizer = "nesterov", of which nobody knows where it is stable'):
        pcsim.run(scenario_with(inference={"optimizer": "nesterov", "step_size": "auto"}))


def test_words_of_an_optimizer_that_its_class_lacks_are_refused_and_its_own_defaults_hold() -> None:
    defined("lion")
    trace = pcsim.run(scenario_with(learning={"optimizer": "lion", "epochs": 1}))
    text = trace.provenance["scenario"]
    assert "beta1" not in text
    assert (
        build_learner(parse_scenario(text), build_network(parse_scenario(text))).optimizer
        == find("optimizer", "lion")()
    )
    assert pcsim.verify(trace).tolerance == 0
    assert (
        "beta2 = 0.5" in pcsim.run(scenario_with(learning={"optimizer": "lion", "beta2": 0.5})).provenance["scenario"]
    )
    for words in ({"momentum": 0.5}, {"eps": 1e-8}, {"rho": 0.5}):
        (word,) = words
        with pytest.raises(ScenarioError, match=f"learning.{word} is not used by optimizer 'lion'; remove it"):
            pcsim.run(scenario_with(learning={"optimizer": "lion", **words}))
    # What another optimizer had before is dropped, as it is beside one that ships.
    base = scenario_with(learning={"optimizer": "adam", "eps": 1e-6})
    notes = scenario_of(base, "learning.optimizer=lion").reading.notes
    assert notes == ("dropped learning.eps: not used by optimizer 'lion' (set by --set)",)


class Mine(NumpyBackend):
    """numpy by another name."""


def test_a_backend_of_ones_own_runs_and_is_named_in_the_trace() -> None:
    pcsim.register("backend", "mine", Mine)
    trace = pcsim.run("signal-decay", "inference.steps=2", backend="mine")
    assert trace.attributes["backend"] == "mine"
    assert pcsim.verify(trace).tolerance == 0
    with pytest.raises(UsageError, match=r"backend 'mien' is not installed; usable here: .*mine"):
        pcsim.run("signal-decay", backend="mien")


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (([[1.0]], [0], [[1.0]]), "the data set 'own' must return x and y, or x, y, x_test and y_test, not 3 things"),
        (7, "the data set 'own' must return x and y, or x, y, x_test and y_test, not int"),
        (([[1.0]], [0, 1]), "the data set 'own': array 'x' has 1 samples but 'y' has 2"),
        (([[1.0, 2.0]], [0], [[1.0]], [0]), "the data set 'own': one sample of 'x_test' has shape"),
    ],
)
def test_data_that_break_the_rules_are_one_line(made: Any, line: str) -> None:
    def own(seed: int) -> Any:
        return made

    pcsim.register("dataset", "own", own)
    with pytest.raises(UsageError, match=rf"^given data.name: .*{line}"):
        pcsim.run(scenario_with(data={"name": "own"}))
