"""Weights in PyTorch's order, in and out."""

import numpy as np
import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.errors import PcsimWarning
from tests.support.scenario_files import TEXT, Files

SHORT = TEXT.replace("steps = 20", "steps = 2")
CONV = SHORT.replace(
    "widths = [64, 32, 32, 10]\n",
    "input = [8, 8, 1]\n"
    "layers = [{ conv = 3, kernel = 3, padding = 1, pool = 2 }, { dense = 10, activation = 'linear' }]\n",
)


def test_matrices_and_kernels_go_out_and_come_back(files: Files, capsys: pytest.CaptureFixture[str]):
    with pcsim.run(files.read(CONV), path="s.h5") as trace:
        given, energy = trace.network, trace.energy
    assert call(["export", "s.h5", "-o", "w.npz", "--layout", "torch"]) == 0
    with np.load("w.npz") as found:
        arrays = {name: found[name] for name in ("W0", "b0", "W1", "b1")}
    assert np.array_equal(arrays["W0"], given["W_0"].transpose(3, 2, 0, 1))
    # As PyTorch's Linear after a Flatten of (channels, height, width) reads them.
    image = np.random.default_rng(0).standard_normal((4, 4, 3))
    ours = image.reshape(-1) @ given["W_1"]
    np.testing.assert_allclose(arrays["W1"] @ image.transpose(2, 0, 1).reshape(-1), ours, rtol=1e-5, atol=1e-6)
    with pcsim.run(files.read(CONV, "network.weights=w.npz")) as again:
        assert np.array_equal(again.energy, energy)
    assert call(["eval", "w.npz"]) == 0
    np.savez("foreign.npz", **arrays)
    with pcsim.run(files.read(CONV, "network.weights=foreign.npz", 'network.layout="torch"')) as again:
        assert np.array_equal(again.energy, energy)
    capsys.readouterr()
    assert call(["eval", "foreign.npz", "--scenario", "s.toml", "--layout", "torch", "--json"]) == 0
    assert call(["eval", "foreign.npz", "--scenario", "s.toml"]) == 2
    assert "PyTorch's order" in capsys.readouterr().err


def test_square_matrices_of_others_are_asked_about(files: Files):
    text = SHORT.replace("[64, 32, 32, 10]", "[10, 10, 10]").replace('"digits"', '"npz"\nfile = "d.npz"')
    draw = np.random.default_rng(1)
    np.savez("d.npz", x=draw.standard_normal((16, 10)), y=np.arange(16) % 10)
    first, second, none = draw.standard_normal((10, 10)), draw.standard_normal((10, 10)), np.zeros(10)
    np.savez("w.npz", W0=first, W1=second, b0=none, b1=none)
    with pytest.warns(PcsimWarning, match=r"w\.npz: all matrices are square, and taken as \(in, out\);"):
        pcsim.run(files.read(text, "network.weights=w.npz")).close()
    pcsim.run(files.read(text, "network.weights=w.npz", 'network.layout="pcsim"')).close()
    with pcsim.run(files.read(text, "network.weights=w.npz", 'network.layout="torch"')) as trace:
        assert np.array_equal(trace.network["W_0"], first.T.astype(np.float32))
