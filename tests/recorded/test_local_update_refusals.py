"""Traces that cannot be learned from: something lacks, does not fit or is of another moment."""

import re
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest

import pcsim
from tests.support.scenario_files import TEXT, Files
from tests.support.training_files import only_line


def refused(files: Files, capsys: pytest.CaptureFixture[str], damage: Callable[[Any], None], *changes: str) -> str:
    """Run, change the trace, and return the one line that learning from it ends in."""
    pcsim.run(files.read(TEXT, *changes), path="s.h5", force=True).close()
    with h5py.File("s.h5", "r+") as file:
        damage(file)
    return only_line(capsys, ["learn", "s.h5"], code=2)


def scaled(path: str, factor: float) -> Callable[[Any], None]:
    def damage(file: Any) -> None:
        for name in [path] if path in file and hasattr(file[path], "shape") else [f"{path}/{k}" for k in file[path]]:
            file[name][...] *= factor

    return damage


def without(path: str) -> Callable[[Any], None]:
    def damage(file: Any) -> None:
        del file[path]

    return damage


def put(path: str, value: Any) -> Callable[[Any], None]:
    def damage(file: Any) -> None:
        if path in file:
            del file[path]
        file[path] = value

    return damage


def attribute(name: str, value: Any, path: str = "/") -> Callable[[Any], None]:
    def damage(file: Any) -> None:
        if value is None:
            del file[path].attrs[name]
        else:
            file[path].attrs[name] = value

    return damage


def kill_layer_0(file: Any) -> None:
    for name in ("network/W_0", "network/b_0", "final/states/layer_0"):
        file[name][...] = 0.0
    file["final/errors/layer_0"][...] = 1.0


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (attribute("status", "running"), r"s\.h5 is still being written, or its writer was killed \(status running\)"),
        (without("final"), r"s\.h5 \(status complete\) holds no final/states/layer_0 and 4 more; needed are /data/x, "),
        (without("final/errors/layer_1"), r"s\.h5 \(status complete\) holds no final/errors/layer_1; needed are "),
        (without("network/b_1"), r"s\.h5 holds no b_1 of shape \(32,\), which its scenario's network needs"),
        (without("network"), r"s\.h5 \(status complete\) holds no network/W_0"),
        (
            put("network/W_1", np.ones((32, 31))),
            r"s\.h5: W_1 has shape \(32, 31\), the network and batch need \(32, 32\)",
        ),
        (put("network/W_3", np.ones((10, 3))), r"s\.h5: W_3 has no place in the network of its scenario, which has 3 "),
        (
            put("final/states/layer_1", np.ones((15, 32))),
            r"s\.h5: final/states/layer_1 has shape \(15, 32\), the network and batch need \(16, 32\)$",
        ),
        (
            put("final/errors/layer_0", np.ones((32, 16))),
            r"s\.h5: final/errors/layer_0 has shape \(32, 16\), .* need \(16, 32\); transpose it$",
        ),
        (kill_layer_0, r"s\.h5: the errors of layer 0.* differ from s − ŝ by up to 1, rounding explains 0; "),
        (put("data/y", np.ones((16, 9))), r"s\.h5: data/y has shape \(16, 9\), the network and batch need \(16, 10\)"),
        (
            put("final/errors/layer_2", np.full((16, 10), np.nan)),
            r"s\.h5: final/errors/layer_2 has 160 NaN or infinite entries of 160$",
        ),
        (put("data/x", np.full((16, 64), "a", dtype="S1")), r"s\.h5: data/x holds \|S1, expected real numbers"),
        (attribute("precision", None), r"s\.h5 has no attribute precision; write one of bfloat16, float16, float32, "),
        (attribute("precision", "float23"), r"s\.h5: precision 'float23' is not known; .*did you mean 'float32'\?$"),
        (attribute("scenario", None, "provenance"), r"s\.h5 has no attribute scenario in /provenance; "),
        (
            attribute("scenario", TEXT.replace("widths", "widhts"), "provenance"),
            r"scenario in s\.h5:5:1: unknown key 'widhts' in \[network\]; did you mean 'widths'\?$",
        ),
        (
            attribute("scenario", TEXT.replace("[64, 32, 32, 10]", "[64, 32, 10]"), "provenance"),
            r"s\.h5: layer_name has 3 names, its scenario's network has 2 layers; fit network\.widths$",
        ),
    ],
)
def test_traces_that_lack_something_or_do_not_fit(
    files: Files, capsys: pytest.CaptureFixture[str], damage: Callable[[Any], None], line: str
):
    assert re.match(line, refused(files, capsys, damage))


@pytest.mark.parametrize("changes", [(), ("inference.method=error",), ("inference.form=increment",)])
def test_errors_of_another_moment_are_refused(
    files: Files, capsys: pytest.CaptureFixture[str], changes: tuple[str, ...]
):
    line = refused(files, capsys, scaled("final/errors/layer_1", 1.01), *changes)
    found = re.fullmatch(
        r"s\.h5: the errors of layer 1 are not those of its states and parameters: they differ from s − ŝ by up to "
        r"(\S+), rounding explains (\S+); final states, errors, parameters and data must be of the same moment",
        line,
    )
    assert found is not None, line
    with pcsim.open_trace("s.h5") as trace:
        off = np.abs(trace.final_errors[1]).max() * 0.01 / 1.01
    assert float(found[1]) == pytest.approx(off, rel=0.05)
    assert float(found[2]) < off / 2


def test_weights_after_the_update_do_not_go_with_the_states_before_it(files: Files, capsys: pytest.CaptureFixture[str]):
    line = refused(files, capsys, scaled("network/W_1", 1.001))
    assert line.startswith("s.h5: the errors of layer 1 are not those of its states and parameters")


@pytest.mark.parametrize(
    ("path", "names", "changes"),
    [
        ("final/errors", "layer 0, layer 1, output", ()),
        ("final/errors", "layer 0, layer 1, output", ("inference.method=error", "backend.precision=float64")),
        ("final/errors/layer_2", "output", ()),
        ("final/errors", "output", ("backprop",)),
    ],
)
def test_an_opposite_sign_is_named(
    files: Files, capsys: pytest.CaptureFixture[str], path: str, names: str, changes: tuple[str, ...]
):
    if changes == ("backprop",):
        text = TEXT.replace('"state"\nform = "standard"', '"backprop"').replace("steps = 20\nstep_size = 0.1\n", "")
        pcsim.run(files.read(text), path="s.h5").close()
    else:
        pcsim.run(files.read(TEXT, *changes), path="s.h5").close()
    with h5py.File("s.h5", "r+") as file:
        scaled(path, -1.0)(file)
    assert only_line(capsys, ["learn", "s.h5"], code=2) == (
        f"s.h5: the errors of {names} have the opposite sign: pcsim's are s − ŝ, and −∂ℓ/∂ŷ for the output; multiply "
        "final/errors by −1"
    )
