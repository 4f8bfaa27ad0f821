"""Numbers that a run's precision cannot hold are refused where they are read, on every way into a run."""

import re
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest

import pcsim
from pcsim.errors import UsageError
from tests.support.npz_files import LEARNING, OWN, samples, save, with_value, write
from tests.support.scenario_files import Files
from tests.support.training_files import only_line

PARAMETERS = {"W0": np.ones((4, 6)), "b0": np.ones(6), "W1": np.ones((6, 3)), "b1": np.ones(3)}


def opened() -> Any:
    return h5py.File("t.h5", "r+")


@pytest.mark.parametrize(
    ("precision", "fits", "beyond"),
    # The largest number, half a unit in its last place below and at the end.
    [("float16", 65519.9, 65520.0), ("float32", 3.4028235e38, 3.4028236e38), ("float64", 1e308, None)],
)
def test_what_becomes_infinite_is_refused_and_nothing_else(
    files: Files, precision: str, fits: float, beyond: float | None
):
    for value in (fits, -fits):
        write(x=with_value(samples()["x"], value, 9))
        assert pcsim.read_scenario(files.write(OWN)).data.name == "npz"
        with pcsim.run(files.read(OWN), precision=precision) as trace:
            assert trace.status == "complete"
    for value in () if beyond is None else (beyond, -beyond):
        write(x=with_value(samples()["x"], value, 9))
        with pytest.raises(
            UsageError, match=rf"own\.npz: x holds {re.escape(str(value))} in sample 9, .* {precision} \(1 of 24"
        ):
            pcsim.run(files.read(OWN), precision=precision)


@pytest.mark.parametrize("part", ["x", "y", "x_test", "y_test"])
def test_every_part_of_a_data_file(files: Files, part: str):
    y = {name: np.zeros((24, 3)) for name in ("y", "y_test")}
    write(**{**y, part: with_value({**samples(), **y}[part], 1e39, 3)})
    text = (OWN + LEARNING).replace("cross-entropy", "squared-error")
    with pytest.raises(UsageError, match=rf"own\.npz: {part} holds 1e\+39 in sample 3, which is no finite number in f"):
        pcsim.run(files.read(text))


@pytest.mark.parametrize(
    "change", [("network.weights=w.npz",), ("network.init=normal", "network.std=1e39"), ("data.name=gaussian-line",)]
)
def test_weights_that_are_read_or_drawn_and_data_that_are_made(files: Files, change: tuple[str, ...]):
    save("w.npz", PARAMETERS | {"W1": with_value(PARAMETERS["W1"], 1e39, 2)})
    write()
    text = OWN
    if "data.name=gaussian-line" in change:
        text = text.replace('name = "npz"\nfile = "own.npz"', 'name = "gaussian-line"\nslope = 1e39')
        text = text.replace("[4, 6, 3]", "[1, 6, 1]").replace("cross-entropy", "squared-error")
    with pytest.raises(UsageError, match=r"(w\.npz: W1|init = \"normal\": W0|slope 1e\+39, .*: y) holds .*e\+3\d in "):
        pcsim.run(files.read(text, *change))


@pytest.mark.parametrize(
    "again",
    [
        lambda: pcsim.verify(pcsim.open_trace("t.h5"), precision="float32"),
        lambda: pcsim.evaluate("t.h5", precision="float32"),
        lambda: pcsim.evaluate("w.npz", precision="float32"),
        lambda: pcsim.compare(pcsim.read_scenario("s.toml"), precision=["float32", "float64"]),
    ],
)
@pytest.mark.parametrize("where", ["data", "weights"])
def test_another_precision_of_what_a_wider_one_held(files: Files, again: Callable[[], object], where: str):
    beyond = {"x": with_value(samples()["x"], 1e39, 2)} if where == "data" else {}
    write(**beyond)
    save("w0.npz", PARAMETERS | ({} if beyond else {"W0": with_value(PARAMETERS["W0"], 1e39, 2)}))
    text = OWN.replace("[data]", 'weights = "w0.npz"\n\n[data]').replace('"gelu"', '"tanh"')
    with pcsim.run(files.read(text), precision="float64", path="t.h5") as trace:
        pcsim.export_weights(trace, "w.npz")
    with pytest.raises(UsageError, match=r"holds 1e\+39 in (sample|row) 2, which is no finite number in float32"):
        again()


def test_a_trace_of_another_program_and_an_update_that_overflows(files: Files, capsys: pytest.CaptureFixture[str]):
    write()
    pcsim.run(files.read(OWN), path="t.h5").close()
    assert "W0 has NaN or infinite entries in float32" in only_line(
        capsys, ["learn", "t.h5", "--set", "learning.lr=1e45", "-o", "w.npz"], code=1
    )
    with opened() as file:
        file["data/x"][3] = 1e39
    assert "t.h5: data/x holds 1e+39 in row 3, which is" in only_line(capsys, ["learn", "t.h5"], code=2)
    with opened() as file:
        values = file["network/W_0"][()].astype(np.float64)
        del file["network/W_0"]
        file["network/W_0"] = with_value(values, 1e39, 1)
    assert "t.h5: network/W_0 holds 1e+39 in row 1, which is" in only_line(
        capsys, ["export", "t.h5", "-o", "w.npz"], code=2
    )
