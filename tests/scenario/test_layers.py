"""Mistakes in lists of layers: one line each, at its place, before anything starts."""

import numpy as np
import pytest

import pcsim
from pcsim.assemble import build_network
from pcsim.errors import UsageError
from pcsim.model.activations import LeakyRelu
from pcsim.scenario import scenario_text
from tests.support.images import HEAD, REST, SMALL, WITH_NORMS, named
from tests.support.scenario_files import Files

DENSE = "{ dense = 10 }"
CONV = "conv = 4, kernel = 3, padding = 1"

FOUND_BY_READING = {
    "{ conv = 4, kernal = 3 }": "unknown key 'kernal' in [network.layers, entry 0]; did you mean 'kernel'?",
    f"{{ {CONV}, norm = {{ kind = 'batch', eps = 1e-3 }} }}": "unknown key 'eps' in [network.layers, entry 0.norm]",
    f"{{ {CONV}, momentum = 0.1 }}": "unknown key 'momentum' in [network.layers, entry 0]; its keys are conv, dense",
    "{ conv = 4 }": "s.toml:9:1: network.layers: layer 0 has a conv and no kernel; give its size, as in kernel = 3",
    "{ conv = 4, dense = 3, kernel = 3 }": "layer 0 has conv and dense; give it one of them",
    "{ activation = 'relu' }": "layer 0 has none of conv, dense, part, function; give it one of them",
    "{ dense = 4, stride = 2 }": "layer 0 has stride and no conv; remove it",
    "{ dense = 4, pool = 2 }": "layer 0 is dense and has no image to pool; remove pool",
    f"{{ {CONV}, activation = 'reluu' }}": "did you mean 'relu'? Give one of linear, tanh, sigmoid, relu,",
    f"{{ {CONV}, add = {{ bak = 2 }} }}": "unknown key 'bak' in [network.layers, entry 0.add]; did you mean 'back'?",
    f"{{ {CONV}, add = {{ back = 1, norm = 'batch' }} }}": "add of layer 0 has a norm and no conv",
    f"{{ {CONV}, norm = 'layer' }}": '"layer" is not allowed; give "batch", or a table',
    f"{{ {CONV}, pool_kind = 'max' }}": "layer 0 has pool_kind, but there is no pool",
    f"{{ {CONV}, init = 'normal' }}": 'layer 0 has init = "normal", which needs std',
    f"{{ {CONV}, gain = 2.0 }}": "layer 0 has gain, but no init that uses it",
    f'{{ {CONV}, init = "pytorch", gain = 2.0 }}': 'layer 0 has gain, but init = "pytorch" does not use it',
    f"{{ {CONV}, negative_slope = 0.2 }}": "layer 0 has negative_slope, but its activation is not leaky_relu; remove",
    f"{{ {CONV}, repeat = 100001 }}": "give a whole number from 1 to 100,000",
    f'{{ {CONV}, init = "uniform", low = 0.5, high = -0.5 }}': "has low = 0.5 and high = -0.5; low must be less",
}
FOUND_BY_BUILDING = {
    "{ conv = 4, kernel = 9 }": "s.toml:9:1: network.layers[0]: layer 0 has a kernel of 9 for images of 8 × 8",
    "{ conv = 4, kernel = 3, pool = 7 }": "layer 0 pools 7 × 7 of images of 6 × 6: nothing is left",
    f"{{ {CONV}, add = 1 }}": "layer 0 adds what is 1 layers below it, which is no state: below it is the input alone",
    f"{{ {CONV} }}, {{ conv = 4, kernel = 3, add = 1 }}": "adds samples of shape (8, 8, 4) to",
    f"{{ {CONV} }}, {{ {CONV}, add = 2 }}": "add = 1 to 1 reach one",
    f"{{ dense = 4 }}, {{ {CONV} }}": "layer 1 is a convolution, but what it reads has shape (4,) and is no image",
}


@pytest.mark.parametrize("entry", FOUND_BY_READING)
def test_what_is_wrong_in_an_entry_is_one_line(files: Files, entry: str) -> None:
    (line,) = files.problems(HEAD + f"{entry}, {DENSE}\n" + REST)
    assert FOUND_BY_READING[entry] in line
    assert line.startswith("s.toml:9:")


@pytest.mark.parametrize("entry", FOUND_BY_BUILDING)
def test_what_does_not_fit_is_one_line(files: Files, entry: str) -> None:
    with pytest.raises(UsageError) as caught:
        build_network(files.read(HEAD + f"{entry}, {DENSE}\n" + REST))
    assert FOUND_BY_BUILDING[entry] in str(caught.value)
    assert "network.layers[" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "input = [8, 8, 1]",
            "input = [8, 8, 3]",
            "has shape (8, 8, 3), but a sample of the data 'digits' has shape (8, 8); set",
        ),
        (
            '{ dense = 10, activation = "linear" },\n',
            "",
            "the output has shape (2, 2, 4); end the list with a dense layer",
        ),
        ("input = [8, 8, 1]", "input = 63", "layer 0 is a convolution"),
        (
            "{ dense = 10,",
            "{ dense = 5,",
            "network.layers: data 'digits': labels run 0..9 but the network has 5",
        ),
    ],
)
def test_ends_that_do_not_fit_are_one_line(files: Files, old: str, new: str, line: str) -> None:
    assert old in SMALL
    with pytest.raises(UsageError) as caught:
        pcsim.run(files.read(SMALL.replace(old, new)))
    assert line in str(caught.value)


def test_sizes_are_given_in_one_way(files: Files) -> None:
    for words, line in (
        ("widths = [64, 10]", "network.widths and network.layers both give the sizes"),
        ("skip = true", "say it in the list, by add in a layer"),
        ('output = "sigmoid"', "network.output does not go with layers; the last layer is the output"),
    ):
        (found,) = files.problems(SMALL.replace("[network]\n", f"[network]\n{words}\n"))
        assert line in found


@pytest.mark.parametrize("word", ["statistics", "increment", "equilibrium", "auto", "flow"])
def test_live_statistics_go_with_samples_in_batches_alone(files: Files, word: str) -> None:
    text = WITH_NORMS.replace('norm = "batch"', 'norm = { kind = "batch", statistics = "live" }')
    words = {
        "statistics": [],
        "increment": ["inference.form=increment"],
        "equilibrium": ["inference.method=equilibrium"],
        "auto": ["inference.step_size='auto'"],
        "flow": ["inference.solver=dopri5", "inference.t_end=1.0"],
    }[word]
    scenario = files.read(text, *words)
    if word == "statistics":
        assert not pcsim.run(scenario).attributes.get("failure")
        return
    with pytest.raises(UsageError, match=r"needs samples that evolve each on its own"):
        pcsim.run(scenario)


@pytest.mark.parametrize("architecture", ["vgg-5", "vgg-7", "vgg-9", "resnet-18"])
def test_architectures_stand_for_lists_that_read_as_they_are_written(files: Files, architecture: str) -> None:
    scenario = files.read(named(architecture))
    assert files.read(scenario_text(scenario)) == scenario
    network = build_network(scenario)
    layers, outputs = {"vgg-5": (5, 10), "vgg-7": (7, 10), "vgg-9": (9, 10), "resnet-18": (18, 10)}[architecture]
    assert (len(network.layers), network.layer_shapes[-1]) == (layers, (outputs,))
    last = {"vgg-5": (2, 2, 64), "vgg-7": (1, 1, 64), "vgg-9": (2, 2, 64), "resnet-18": (1, 1, 64)}[architecture]
    assert network.layer_shapes[-2] == last


def test_kernels_in_pytorchs_order_are_to_be_transposed(files: Files) -> None:
    network = build_network(files.read(SMALL))
    arrays = {f"{name}{i}": np.zeros(shape) for name, i, shape in network.parameter_names}
    arrays["W1"] = arrays["W1"].transpose(3, 2, 0, 1)
    np.savez("w.npz", **arrays)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match=r"transpose it from PyTorch's order .*array\.transpose\(2, 3, 1, 0\)"):
        pcsim.run(files.read(SMALL, "network.weights=w.npz"))


def test_the_networks_slope_is_that_of_layers_which_name_leaky_relu(files: Files) -> None:
    entries = "{ dense = 4, activation = 'leaky_relu' }, { dense = 4, activation = 'leaky_relu', negative_slope = 0.5 }"
    text = (HEAD + f"{entries}, {DENSE}\n" + REST).replace("layers = [", "negative_slope = 0.2\nlayers = [")
    first, second, _ = build_network(files.read(text)).layers
    assert (first.activations, second.activations) == ((LeakyRelu(0.2),), (LeakyRelu(0.5),))
    assert "negative_slope = 0.2\n" in scenario_text(files.read(text))
    (line,) = files.problems(text.replace(entries, "{ dense = 4 }"))
    assert "network.negative_slope is not used by activation 'tanh'" in line


def test_an_activation_before_the_lowest_weights_is_refused_where_there_is_none(files: Files) -> None:
    text = (HEAD + f"{{ dense = 4, activation = 'relu' }}, {DENSE}\n" + REST).replace(
        "layers = [", 'order = "activation-first"\nlayers = ['
    )
    (line,) = files.problems(text)
    assert line.endswith('"activation-first" has no activation before the lowest weights; remove that of layer 0')
    assert len(build_network(files.read(text.replace("4, act", "4, repeat = 2, act"))).layers) == 3
