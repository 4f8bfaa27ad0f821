"""Mistakes in architectures, and in what goes beside them or beside a list of layers: one line each."""

import pytest

from tests.support.images import SMALL, named
from tests.support.scenario_files import Files

NAMED = named("vgg-5")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            '"vgg-5"',
            '"vgg-6"',
            "network.architecture: \"vgg-6\" is not allowed; did you mean 'vgg-9'? Give one of vgg-5, vgg-7,",
        ),
        ("width = 0.125", "width = -1", "network.width: -1 is not allowed; give a number greater than 0"),
        ("input = [32, 32, 3]\n", "widths = [64, 10]\n", "network.widths and network.architecture both give the sizes"),
    ],
)
def test_a_mistake_in_an_architecture_is_one_line(files: Files, old: str, new: str, line: str) -> None:
    assert old in NAMED
    (found,) = files.problems(NAMED.replace(old, new))
    assert line in found


def test_a_list_of_layers_needs_the_shape_of_its_input(files: Files) -> None:
    start = SMALL.index("input = ")
    (found,) = files.problems(SMALL[:start] + SMALL[SMALL.index("\n", start) + 1 :])
    assert "network.input is missing; give the shape of a sample, as in input = 784 or input = [32, 32, 3]" in found


@pytest.mark.parametrize("words", ['order = "activation-first"', 'parametrisation = "mupc"'])
def test_what_other_orders_do_not_take_is_named_with_its_layer(files: Files, words: str) -> None:
    found, *_ = files.problems(NAMED.replace("[network]\n", f"[network]\n{words}\n"))
    assert f"network.{words} takes dense and conv layers alone, but layer 0 has pool; remove one of them" in found


def test_hidden_layers_take_the_place_of_an_architecture(files: Files) -> None:
    scenario = files.read(NAMED, "network.input=64", "network.output=10", "network.hidden={layers=2, width=9}")
    assert scenario.network.widths == (64, 9, 9, 10)
