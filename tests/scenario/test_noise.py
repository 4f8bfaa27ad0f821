"""The word for noise in discrete steps: what it makes of a method, and what it does not go with."""

import pytest

from pcsim.assemble import build_inference, build_network
from pcsim.inference import ErrorOptimization, Langevin, StateOptimization
from tests.support.scenario_files import TEXT, Files

NOISY = TEXT + "noise = 0.5\n"


@pytest.mark.parametrize(("word", "kind"), [("state", StateOptimization), ("error", ErrorOptimization)])
def test_noise_is_around_the_method(word: str, kind: type, files: Files) -> None:
    text = NOISY.replace('"state"', f'"{word}"')
    scenario = files.read(text if word == "state" else text.replace('form = "standard"\n', ""))
    found = build_inference(scenario, build_network(scenario))
    assert isinstance(found, Langevin)
    assert (type(found.inference), found.temperature, found.seed) == (kind, 0.5, 3)
    assert found.traits.draws
    without = files.read(text.replace('form = "standard"\n', ""), "inference.noise=0")
    assert type(build_inference(without, build_network(without))) is kind


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "form = 'increment'",
            'form = "increment", whose errors are variables without noise of their own; write form =',
        ),
        (
            "optimizer = 'momentum'",
            'optimizer = "momentum", whose noise would need another size; write optimizer = "gd"',
        ),
        ("step_decay = 0.5", "step_decay = 0.5: it needs constant steps; write step_decay = 0.0"),
        ("step_halving = true", "step_halving = true: it makes energies rise; write step_halving = false"),
        ("clip = 1.0", "clip = 1.0, under which samples would have another law; remove clip"),
        ("error_steps = 2", "error_steps = 2, whose noise would need another size; write error_steps = 0"),
        ("stop = { grad_norm = 1e-3 }", "stop, which noise never lets come to rest; remove stop"),
        ("input = 'masked'", "input"),
    ],
)
def test_what_noise_does_not_go_with(words: str, said: str, files: Files) -> None:
    text = NOISY.replace('form = "standard"\n', "") if words.startswith("form") else NOISY
    problem = "\n".join(files.problems(text + words + "\n"))
    assert said in problem
    assert "noise = 0" in problem


@pytest.mark.parametrize("method", ["sequential", "augmented-lagrangian", "equilibrium-propagation", "equilibrium"])
def test_other_methods_have_none(method: str, files: Files) -> None:
    text = NOISY.replace('"state"', f'"{method}"').replace('form = "standard"\n', "")
    assert any(f"inference.noise is not used by method '{method}'" in line for line in files.problems(text))
