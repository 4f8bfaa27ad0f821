"""Running scenarios: traces that repeat bit by bit, whatever the batch, and runs that do not reach their end."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import pcsim
from pcsim.engine.backend import Capabilities
from pcsim.errors import RunFailed, UsageError
from pcsim.extensions import KINDS
from pcsim.runs.simulation import prepare
from pcsim.scenario import Scenario
from tests.support.scenario_files import TEXT, Files

EVERYTHING = 'trace.record=["energy","grad_norm","states","errors","energy_per_sample","weight_gradient"]'


def arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """Return every array of numbers in a trace."""
    found: dict[str, NDArray[np.generic]] = {}

    def collect(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "fi":
            found[name] = item[()]

    with h5py.File(path) as file:
        file.visititems(collect)
    return found


def words_of(method: str) -> tuple[str, ...]:
    """Return what makes the small scenario one of a method."""
    return f"inference.method={method}", *(("inference.loss=squared-error",) if method == "bidirectional" else ())


@pytest.mark.parametrize("method", [word for word in KINDS["inference"].shipped if word != "equilibrium"])
def test_the_same_run_twice_has_the_same_bits(files: Files, method: str):
    scenario = files.read(TEXT, *words_of(method), EVERYTHING, "data.shuffle=true")
    for name in ("a.h5", "b.h5"):
        pcsim.run(scenario, path=name).close()
    first, second = arrays(files.folder / "a.h5"), arrays(files.folder / "b.h5")
    assert {"energy", "states/layer_0", "final/gradient/W_2", "final/output"} < first.keys()
    assert first.keys() == second.keys()
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)


def test_in_memory_and_on_disk_are_the_same(files: Files):
    scenario = files.read(TEXT)
    with pcsim.run(scenario) as kept, pcsim.run(scenario, path="s.h5") as written:
        assert kept.path is None
        assert written.path == files.folder / "s.h5"
        assert np.array_equal(kept.energy, written.energy)


@pytest.mark.parametrize(("precision", "eps"), [("float64", 2.0**-52), ("float32", 2.0**-23)])
@pytest.mark.parametrize(
    "changes",
    [
        ("data.shuffle=true",),
        ("inference.start=normal", "inference.optimizer=adam"),
        ("inference.method=error",),
        ("data.name=mnist1d", "network.widths=[40,16,10]"),
        ("data.name=gaussian-line", "network.widths=[1,8,1]", "inference.loss=squared-error", "data.noise=0.1"),
    ],
)
def test_a_sample_does_not_know_its_batch(files: Files, changes: tuple[str, ...], precision: str, eps: float):
    def first_sample(batch: int) -> NDArray[np.float64]:
        scenario = files.read(TEXT, *changes, f"data.batch={batch}", EVERYTHING)
        with pcsim.run(scenario, precision=precision) as trace:
            assert trace.energy_per_sample is not None
            return trace.energy_per_sample[:, :, 0]

    alone, among = first_sample(1), first_sample(16)
    # the largest deviation measured over these cases is 1.9 eps
    assert np.abs(alone - among).max() <= 8 * eps * np.abs(among).max()


def test_hidden_energies_start_at_exactly_zero(files: Files):
    for precision in ("float16", "bfloat16", "float32", "float64"):
        with pcsim.run(files.read(TEXT), precision=precision) as trace:
            assert not trace.energy[0, :-1].any()
            assert trace.energy[0, -1] > 0


@pytest.mark.parametrize(
    ("changes", "rows", "layers"),
    [
        (("inference.steps=0",), [0], 3),
        (("network.widths=[64,10]",), list(range(21)), 1),
        (("network.widths=[64,10]", "inference.stop={grad_norm=1e-3}"), [0], 1),
        (("trace.every=8",), [0, 8, 16, 20], 3),
        (("trace.every={log=4}",), [0, 1, 4, 20], 3),
        (("inference.method=backprop",), [0, 1], 3),
    ],
)
def test_unusual_sizes(files: Files, changes: tuple[str, ...], rows: list[int], layers: int):
    with pcsim.run(files.read(TEXT, *changes)) as trace:
        assert trace.steps.tolist() == rows
        assert trace.energy.shape == (len(rows), layers)
        assert len(trace.final_states) == len(trace.final_errors) == len(trace.arrival_steps) == layers


def test_a_stop_rule_ends_a_run_that_has_converged(files: Files):
    rule = "inference.stop={grad_norm=0.1}"
    with pcsim.run(files.read(TEXT, rule, "inference.steps=9000")) as trace:
        assert trace.grad_norm is not None
        assert trace.attributes["converged"] == 1
        taken = int(trace.attributes["steps_taken"])
        assert trace.steps[-1] == taken < 9000
        assert (trace.grad_norm[-1, :-1] <= 0.1).all()
    with pcsim.run(files.read(TEXT, rule, f"inference.steps={taken - 1}")) as trace:
        assert trace.attributes["converged"] == 0


@pytest.mark.parametrize("path", [None, Path("s.h5")])
def test_a_diverging_run_fails_with_its_trace(files: Files, path: Path | None):
    with pytest.raises(
        RunFailed, match=r"^the run diverged: the energy of (layer .|the output) is not finite"
    ) as caught:
        pcsim.run(files.read(TEXT, "inference.step_size=1e30"), path=path)
    with caught.value.trace as trace:
        assert trace.status == "failed"
        assert trace.attributes["failure"] in str(caught.value)
        assert f"is not finite at step {trace.steps[-1]};" in trace.attributes["failure"]
        assert not np.isfinite(trace.energy[-1]).all()
        assert np.isfinite(trace.energy[:-1]).all()


def test_a_start_that_overflows_is_not_blamed_on_the_step_size(files: Files):
    with pytest.raises(RunFailed, match=r"at step 0; use smaller weights or a wider precision$"):
        pcsim.run(files.read(TEXT, "network.init=normal", "network.std=1e30"))


def test_what_python_asks_for_is_not_blamed_on_the_file(files: Files):
    scenario = files.read(TEXT + '[backend]\nname = "numpy"\n')
    with pytest.raises(UsageError, match=r"^backend\.name: backend 'nunpy' is not installed"):
        pcsim.run(scenario, backend="nunpy")


class Able:
    """A backend that names its solvers and rules and can do nothing."""

    def __init__(self, *solvers: str, rules: tuple[str, ...] = ()) -> None:
        self.able = Capabilities("cpu", ("float32",), ("state", "error"), (), solvers, rules=rules)

    def capabilities(self) -> Capabilities:
        return self.able


def install(monkeypatch: pytest.MonkeyPatch, backends: dict[str, Able]) -> None:
    """Let these backends be installed, and one that is broken."""
    monkeypatch.setattr("pcsim.engine.registry.installed_backends", lambda: dict.fromkeys([*backends, "broken"]))

    def load(name: str) -> Able:
        if name not in backends:
            raise UsageError("a package is missing")
        return backends[name]

    monkeypatch.setattr("pcsim.engine.registry.load_backend", load)
    monkeypatch.setattr("pcsim.runs.simulation.load_backend", load)


def test_a_solver_the_backend_lacks(files: Files, monkeypatch: pytest.MonkeyPatch):
    install(monkeypatch, {"numpy": Able("euler", "dopri5"), "other": Able("heun", "dopri5"), "plain": Able()})

    def line(name: str, solver: str) -> str:
        change = [f"inference.solver={solver}", "inference.t_end=1", f"backend.name={name}"]
        with pytest.raises(UsageError) as caught:
            prepare(files.read(TEXT, *change))
        return str(caught.value)

    assert line("numpy", "heun") == (
        "--set inference.solver=heun: backend 'numpy' has no solver 'heun'; it has euler, dopri5; choose one of these, "
        "or use the backend 'other', which has 'heun'"
    )
    assert line("numpy", "bdf") == (
        "--set inference.solver=bdf: backend 'numpy' has no solver 'bdf'; it has euler, dopri5; choose one of these"
    )
    assert line("plain", "dopri5") == (
        "--set inference.solver=dopri5: backend 'plain' has no continuous time; remove inference.solver, or use the "
        "backend 'numpy' or 'other', which has 'dopri5'"
    )
    assert line("plain", "bdf") == (
        "--set inference.solver=bdf: backend 'plain' has no continuous time; remove inference.solver"
    )


def test_a_rule_the_backend_lacks(files: Files, monkeypatch: pytest.MonkeyPatch):
    every = Able(rules=("pc", "incremental", "backprop"))
    install(monkeypatch, {"a": every, "b": every, "c": every, "numpy": Able(), "other": Able(rules=("pc",))})

    def line(name: str, rule: str) -> str:
        text = f'{TEXT}[learning]\nrule = "{rule}"\noptimizer = "sgd"\nlr = 0.1\nepochs = 1\nbatch = 2\n'
        with pytest.raises(UsageError) as caught:
            prepare(files.read(text, f"backend.name={name}"))
        return str(caught.value).partition("learning.rule: ")[2]

    assert line("numpy", "pc") == (
        "backend 'numpy' has no rule 'pc': it cannot train; use the backend a, b, c or other"
    )
    assert line("other", "incremental") == (
        "backend 'other' has no rule 'incremental': it has pc; use the backend a, b or c"
    )


def test_preparing_starts_nothing(files: Files):
    scenario: Scenario = files.read(TEXT)
    simulation = prepare(scenario)
    assert simulation.task.x.shape == (16, 64)
    assert simulation.task.y.sum(axis=1).tolist() == [1.0] * 16
    assert [path.name for path in files.folder.iterdir()] == ["s.toml"]


@pytest.mark.parametrize("method", [word for word in KINDS["inference"].shipped if word != "equilibrium"])
def test_arrivals_of_samples_have_the_arrival_of_the_batch_as_their_first(files: Files, method: str):
    words = (*words_of(method), 'trace.record=["energy","arrival_per_sample"]')
    with pcsim.run(files.read(TEXT, *words)) as trace:
        arrival = trace.array("arrival_per_sample")
        assert arrival.shape == (len(trace.layer_names), 16)
        never = np.iinfo(np.int64).max
        first = np.where(arrival < 0, never, arrival).min(axis=1)
        assert np.where(first == never, -1, first).tolist() == trace.arrival_steps.tolist()
        assert "energy_per_sample" not in trace
