"""Verifying traces: the same bits where they can be expected, and every change to a trace is found."""

import re
import signal
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest

import pcsim
from pcsim.errors import RunFailed, UsageError
from pcsim.recorded.verification import Verification, deviation
from pcsim.runs.provenance import describe_machine
from tests.support.scenario_files import TEXT, Files, changed

EVERYTHING = 'trace.record=["energy","grad_norm","states","errors","energy_per_sample","weight_gradient"]'
SMALL = ("network.widths=[64,8,8,10]", "inference.steps=6", "data.batch=3")


def verified(files: Files, *overrides: str, text: str = TEXT) -> Verification:
    """Run a scenario, which may fail, to a file, and verify that."""
    try:
        pcsim.run(files.read(text, *overrides), path="s.h5").close()
    except RunFailed as error:
        error.trace.close()
    with pcsim.open_trace("s.h5") as trace:
        return pcsim.verify(trace)


@pytest.mark.parametrize(
    "overrides",
    [
        ("inference.start=zeros", "network.activity_decay=0.1"),
        ("inference.start=normal", "network.precisions=[0.5, 2]"),
        ("inference.clamp=soft", "inference.loss=squared-error"),
        ("network.skip=true", "network.parametrisation=mupc", "network.order=activation-first"),
        ("network.widths=[64,8,8,8,8,10]", "network.skip=2", "trace.every={log=4}"),
        ("inference.method=error", "inference.optimizer=momentum"),
        ("inference.method=sequential", "trace.every=4"),
        ("inference.form=increment", "inference.optimizer=adam"),
        ("inference.predictions=fixed", "data.shuffle=true", "network.bias=false"),
        ("backend.precision=float16", "inference.rounding=stochastic"),
        ("network.skip=true", "inference.steps=0"),
    ],
)
def test_the_same_bits_again(files: Files, overrides: tuple[str, ...]):
    result = verified(files, *SMALL, EVERYTHING, *overrides)
    assert result.agrees
    assert result.tolerance == 0
    assert not result.deviation.any()
    assert len(result.deviation) == len(result.layer_names)
    assert set(result.compared) >= {"energy", "grad_norm", "states", "errors", "final states", "weight_gradient"}


def test_backprop_and_a_network_without_hidden_layers(files: Files):
    assert verified(files, "inference.method=backprop", EVERYTHING).agrees
    pcsim.run(files.read(TEXT, "network.widths=[64,10]", EVERYTHING), path="s.h5", force=True).close()
    with pcsim.open_trace("s.h5") as trace:
        result = pcsim.verify(trace)
    assert (result.agrees, result.layer_names) == (True, ("output",))


@pytest.mark.parametrize(
    "overrides",
    [
        ("inference.stop={grad_norm=0.1}", "inference.steps=9000"),
        ("inference.step_size=1e30",),
        ("trace.record=[]",),
    ],
)
def test_runs_that_stopped_early_or_recorded_little(files: Files, overrides: tuple[str, ...]):
    result = verified(files, *SMALL, *overrides)
    assert result.agrees
    assert result.tolerance == 0
    assert "final states" in result.compared


def test_an_interrupted_run(files: Files):
    def interrupt(step: float, steps: float) -> None:
        if step == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(RunFailed) as caught:
        pcsim.run(files.read(TEXT, "trace.every=2"), progress=interrupt)
    with caught.value.trace as trace:
        result = pcsim.verify(trace)
    assert (result.agrees, result.tolerance, result.rows) == (True, 0, 3)


def test_a_stop_rule_met_at_another_step_in_another_precision(files: Files):
    scenario = files.read(TEXT, *SMALL, "inference.stop={grad_norm=0.06}", "inference.steps=900")
    with pcsim.run(scenario, precision="bfloat16") as half, pcsim.run(scenario, precision="float64") as double:
        assert half.steps[-1] != double.steps[-1]
        result = pcsim.verify(half, precision="float64")
    assert result.rows == half.rows
    assert result.agrees


def scaled(dataset: Any) -> None:
    """Change the last number by a unit or so in its last place in float32."""
    values = dataset[()]
    last = tuple(-1 for _ in values.shape)
    values[last] = values[last] * np.float32(1 + 2.0**-22) + np.float32(1e-30)
    dataset[...] = values


def counted(dataset: Any) -> None:
    dataset[-1] += 1


def endless(item: Any) -> None:
    item[-1] = 2**40


def reversed_(item: Any) -> None:
    item[...] = item[()][::-1]


@pytest.mark.parametrize(
    ("path", "change", "layers"),
    [
        ("energy", scaled, [2]),
        ("grad_norm", scaled, [2]),
        ("energy_per_sample", scaled, [2]),
        ("states/layer_1", scaled, [1]),
        ("errors/layer_2", scaled, [2]),
        ("final/states/layer_0", scaled, [0]),
        ("final/errors/layer_1", scaled, [1]),
        ("final/output", scaled, [2]),
        ("final/gradient/W_1", scaled, [1]),
        ("final/gradient/b_0", scaled, [0]),
        ("arrival_step", counted, [2]),
        ("step", counted, [0, 1, 2]),
        ("step", endless, [0, 1, 2]),
        ("step", reversed_, [0, 1, 2]),
        ("network/W_0", scaled, [0, 1, 2]),
    ],
)
def test_every_change_is_found_and_its_layer_named(
    files: Files, path: str, change: Callable[[Any], None], layers: list[int]
):
    assert verified(files, *SMALL, EVERYTHING).agrees
    with h5py.File("s.h5", "r+") as file:
        change(file[path])
    with pcsim.open_trace("s.h5") as trace:
        result = pcsim.verify(trace)
    assert not result.agrees
    assert np.flatnonzero(result.deviation > result.tolerance).tolist() == layers


def test_elsewhere_bits_may_differ_but_numbers_may_not(files: Files, monkeypatch: pytest.MonkeyPatch):
    pcsim.run(files.read(TEXT), path="s.h5").close()
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "77")
    assert "OPENBLAS_NUM_THREADS=77" in describe_machine()["threads"]
    with pcsim.open_trace("s.h5") as trace:
        result = pcsim.verify(trace)
    assert (result.agrees, result.tolerance, result.compared) == (True, 1e-4, ("energy", "final states"))
    with h5py.File("s.h5", "r+") as file:
        energy: Any = file["energy"]
        energy[-1, 0] *= 1.01
    with pcsim.open_trace("s.h5") as trace:
        assert np.flatnonzero(pcsim.verify(trace).deviation > 1e-4).tolist() == [0]


@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
def test_in_another_precision(files: Files, precision: str):
    with pcsim.run(files.read(changed("gelu", "tanh"))) as trace:
        result = pcsim.verify(trace, precision=precision)
    assert result.agrees
    assert 0 < result.deviation.max() <= result.tolerance == {"float64": 1e-4, "bfloat16": 0.2}[precision]
    assert result.rounded_to == {"float64": "float32", "bfloat16": None}[precision]


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("provenance", "s.h5 has no attribute scenario in /provenance; write the text that pcsim show SCENARIO prints"),
        ("network/W_1", "s.h5 holds no W_1 of shape (8, 8), which its scenario's network needs"),
        ("data/x", "s.h5 (status complete) holds no data/x; every run writes it"),
    ],
)
def test_a_trace_that_lacks_something(files: Files, missing: str, message: str):
    verified(files, *SMALL)
    with h5py.File("s.h5", "r+") as file:
        del file[missing]
    with pcsim.open_trace("s.h5") as trace, pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        pcsim.verify(trace)


def test_nothing_that_could_be_compared_elsewhere(files: Files):
    verified(files, *SMALL, 'trace.record=["grad_norm"]')
    with h5py.File("s.h5", "r+") as file:
        del file["final"]
    with pcsim.open_trace("s.h5") as trace:
        assert pcsim.verify(trace).compared == ("grad_norm",)
        with pytest.raises(UsageError, match="holds neither energies nor final states to compare"):
            pcsim.verify(trace, precision="float64")


def test_deviation_never_rounds_a_difference_to_nothing():
    tiny = np.array([0.0, 5e-324, np.nan, np.inf, 1.0, np.nan])
    other = np.array([0.0, 0.0, np.nan, np.inf, 2.0, 1.0])
    found = deviation(tiny, other, 1e300)
    assert found[[0, 2, 3]].tolist() == [0, 0, 0]
    assert (found[[1, 4]] > 0).all()
    assert found[5] == np.inf


def test_another_precision_says_where_the_signal_arrives_elsewhere() -> None:
    with pcsim.run(pcsim.read_scenario("signal-decay")) as trace:
        assert pcsim.verify(trace).other_arrivals == ()
        found = pcsim.verify(trace, precision="bfloat16")
    assert 0 not in found.other_arrivals
    assert 10 in found.other_arrivals
