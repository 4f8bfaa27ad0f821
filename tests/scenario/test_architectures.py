"""Mistakes in architectures, and in what goes beside them or beside a list of layers: one line each."""

import pytest

from pcsim.assemble import build_network
from pcsim.errors import ScenarioError, UsageError
from pcsim.scenario import Scenario, read_scenario, runs_of, scenario_of, scenario_text
from tests.support.images import SMALL, named
from tests.support.scenario_files import Files

NAMED = named("vgg-5")


def sizes(scenario: Scenario) -> list[int | None]:
    """Return the channels of the convolutions and the units of the output."""
    return [layer.conv or layer.dense for layer in scenario.network.layers or ()]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            '"vgg-5"',
            '"vgg-6"',
            "network.architecture: \"vgg-6\" is not allowed; did you mean 'vgg-9'? Give one of vgg-5, vgg-7,",
        ),
        (
            "width = 0.125",
            'statistics = "live"',
            "network.statistics is of norms, and vgg-5 has none; remove it, or take",
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


def test_another_architecture_takes_the_place_of_one_with_its_width_and_output(files: Files) -> None:
    assert sizes(files.read(NAMED, 'network.architecture="vgg-7"')) == [16, 16, 32, 32, 64, 64, 10]
    assert sizes(files.read(NAMED, "network.width=0.25")) == [32, 64, 128, 128, 10]
    assert sizes(files.read(NAMED, "network.output=7")) == [16, 32, 64, 64, 7]


def test_words_of_an_architecture_change_a_scenario_that_was_read_before(files: Files) -> None:
    read = files.read(NAMED)
    assert scenario_of(read, "network.width=0.25") == files.read(NAMED, "network.width=0.25")
    listed = files.write(scenario_text(read))
    with pytest.raises(
        ScenarioError, match=r"network\.width goes with a named architecture, and the layers are listed"
    ):
        read_scenario(listed, "network.width=0.25")


def test_a_sweep_runs_over_the_words_of_an_architecture(files: Files) -> None:
    swept = files.read(NAMED + "\n[sweep]\nnetwork.width = [0.125, 0.25]\nnetwork.output = [7, 10]\n")
    again = read_scenario(files.write(scenario_text(swept)))
    for scenario in (swept, again):
        found = [sizes(run.scenario) for run in runs_of(scenario)]
        assert [(each[0], each[-1]) for each in found] == [(16, 7), (16, 10), (32, 7), (32, 10)]


def test_layers_that_do_not_fit_are_named_at_their_architecture(files: Files) -> None:
    with pytest.raises(
        UsageError, match=r"^s\.toml:\d+:1: network\.layers\[3\]: layer 3 pools 2 × 2 of images of 1 × 1"
    ):
        build_network(files.read(NAMED, "network.input=[8, 8, 3]"))


def test_an_architecture_takes_the_place_of_hidden_layers_with_an_output_of_its_own() -> None:
    words = ["network.architecture=vgg-5", "network.input=[28,28,1]"]
    with pytest.raises(ScenarioError, match=r"network\.output is missing; give the number of classes, or a table"):
        read_scenario("deep-local", words)
    assert sizes(read_scenario("deep-local", [*words, "network.output=10"])) == [128, 256, 512, 512, 10]


def test_a_list_of_layers_takes_the_place_of_an_architecture(files: Files) -> None:
    found = files.read(NAMED, "network.layers=[{ conv = 2, kernel = 3 }, { dense = 10, activation = 'linear' }]")
    assert sizes(found) == [2, 10]
