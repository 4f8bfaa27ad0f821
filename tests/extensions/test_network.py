"""Networks that are built in Python, and functions of JAX as layers: run, verified, or refused."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.errors import UsageError
from pcsim.model.activations import Tanh
from pcsim.model.layers import Branch, Chain, Dense, Layer, Pointwise
from pcsim.model.smooth import SmoothActivation
from tests.support.own import block_of, scenario_with
from tests.support.scenario_files import Files
from tests.support.training_files import only_line

PLAIN: dict[str, Any] = {
    "data": {"name": "digits", "batch": 4},
    "inference": {"method": "error", "loss": "squared-error", "steps": 3},
}


def two_layers() -> pcsim.Network:
    first = Layer((Branch(-1, Chain((Dense(64, 5), Pointwise(Tanh())))),))
    return pcsim.Network((64,), (first, Layer((Branch(0, Chain((Dense(5, 10),))),))))


def two_of_width(width: int) -> pcsim.Network:
    return pcsim.Network((64,), (Layer((Branch(-1, Chain((Dense(64, width),))),)),))


def without_a_tuple() -> pcsim.Network:
    branches: Any = Branch(-1, Chain((Dense(64, 10),)))
    return pcsim.Network((64,), (Layer((*branches,)),))


class OwnTanh(SmoothActivation):
    """An activation that no kernel knows."""

    def value(self, xp: Any, p: Any) -> Any:
        return xp.tanh(p)

    def slope(self, xp: Any, p: Any) -> Any:
        return 1.0 - xp.tanh(p) * xp.tanh(p)


def foreign() -> pcsim.Network:
    return pcsim.Network((64,), (Layer((Branch(-1, Chain((Dense(64, 10), Pointwise(OwnTanh())))),)),))


def test_a_network_built_in_python_is_the_same_as_in_words(tmp_path: Path) -> None:
    words = {"widths": [64, 5, 10], "activation": "tanh", "init": "orthogonal"}
    ours = pcsim.run({**PLAIN, "network": {"init": "orthogonal"}}, network=two_layers, path=tmp_path / "n.h5")
    theirs = pcsim.run({**PLAIN, "network": words})
    np.testing.assert_array_equal(ours.energy, theirs.energy)
    assert f'built = "{__name__}:two_layers"' in ours.provenance["scenario"]
    assert pcsim.verify(ours, network=two_layers()).tolerance == 0
    assert pcsim.verify(ours, allow=__name__).agrees
    assert call(["replay", str(tmp_path / "n.h5"), "--verify", "--allow", __name__]) == 0
    with pytest.raises(UsageError, match=r"test_network:two_layers is code, and a file does not choose what runs here"):
        pcsim.verify(ours)


def test_a_network_that_was_given_is_given_again(tmp_path: Path) -> None:
    trace = pcsim.run(scenario_with(), network=two_layers(), path=tmp_path / "t.h5")
    assert pcsim.evaluate(trace, network=two_layers()).training.samples == 96
    with pytest.raises(UsageError, match="the network was built in Python, by a script; give it in the call"):
        pcsim.verify(trace)


@pytest.mark.parametrize(
    ("network", "line"),
    [
        (3, "network= takes a pcsim.Network, or a function that returns it, not int"),
        (pcsim.Network((64,), (Layer((Branch(-1, Chain((Dense(63, 10),))),)),)), "layer 0 takes samples of shape"),
        (
            pcsim.Network((64,), (Layer((Branch(0, Chain((Dense(64, 10),))),)),)),
            "layer 0 reads state 0; it can read the",
        ),
        (pcsim.Network((64,), ()), "the network has no layers; give it one or more"),
        (pcsim.Network((64,), (Layer((Branch(-1),)),)), "the network has no parameters; give it a layer that has some"),
        (
            pcsim.Network((64,), (Layer((Branch(-1, Chain((Dense(64, 10),)), "S/"),)),)),
            "layer 0 has a parameter 'S/W'; names",
        ),
        (
            pcsim.Network((64,), (Layer((Branch(-1, Chain((Dense(64, 0),))),)),)),
            r"makes samples of shape \(0,\); give whole",
        ),
        (without_a_tuple, "the function that builds the network ends in TypeError: "),
        (
            pcsim.Network((60,), (Layer((Branch(-1, Chain((Dense(60, 10),))),)),)),
            "the network's input has 60 units, but a",
        ),
        (two_of_width, "the function is called without arguments, but is missing a required argument: 'width'"),
    ],
)
def test_a_network_that_is_none_or_does_not_fit_is_one_line(network: Any, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        pcsim.run({**PLAIN, "network": {}}, network=network)


def test_a_backend_with_kernels_refuses_what_it_has_none_for_before_it_starts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="numba has no kernels for OwnTanh"):
        pcsim.run({**PLAIN, "network": {}}, network=foreign, backend="numba", path=tmp_path / "no.h5")
    assert not (tmp_path / "no.h5").exists()


FUNCTION = """
backend = { name = "jax", precision = "float64" }
data = { name = "digits", batch = 4 }
inference = { method = "state", form = "increment", loss = "squared-error", steps = 3 }

[network]
input = [8, 8, 1]
activation = "tanh"
init = "xavier"
layers = [
    { conv = 4, kernel = 4, stride = 4 },
    { function = "own_function:attention", parameters = { Q = [4, 4], K = [4, 4], V = [4, 4], b = [4] } },
    { dense = 10, activation = "linear" },
]
"""


@pytest.fixture
def module(files: Files) -> Iterator[str]:
    files.write(block_of("Q", "K", "V") + "\nfrom pathlib import Path\n\nPath('imported').touch()\n", "own_function.py")
    yield "own_function"
    sys.modules.pop("own_function", None)


def test_a_function_is_a_layer(module: str, files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.write(FUNCTION)
    assert call(["check", "s.toml"]) == call(["show", "s.toml"]) == 0
    assert not Path("imported").exists()
    line = only_line(capsys, ["run", "s.toml", "--backend", "numpy"], 2)
    assert line.startswith("s.toml:12:7: network.layers[1].function: backend 'numpy' takes no functions as layers; use")
    assert not Path("imported").exists()
    assert call(["run", "s.toml"]) == 0
    line = only_line(capsys, ["replay", "s.h5", "--verify"], 2)
    assert line.endswith(
        "own_function:attention is code, and a file does not choose what runs here; allow it: --allow own_function"
    )
    assert call(["replay", "s.h5", "--verify", "--allow", module]) == 0
    files.write(FUNCTION.replace(":attention", ":attentoin"))
    line = only_line(capsys, ["run", "s.toml", "--force"], 2)
    assert line.endswith("network.layers[1].function: the module own_function has no attentoin")
    files.write(FUNCTION.replace("Q = [4, 4]", "Q = [5, 4]"))
    line = only_line(capsys, ["run", "s.toml", "--force"], 2)
    assert "layer 1 is a function that cannot take samples of shape (2, 2, 4) (TypeError: dot_general" in line
