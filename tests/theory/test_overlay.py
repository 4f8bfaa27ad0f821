"""Theory drawn over measured traces: which theory a run gets, and that it lies where it should."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.errors import RunFailed, UsageError
from pcsim.report.plotting import draw
from pcsim.theory import log_binomial_profile
from pcsim.theory.overlay import EXACT, FIXED_PROFILE, PROFILE, theory_of
from pcsim.trace import Trace

TEXT = """\
[network]
widths = [64, 16, 16, 16, 10]
activation = "linear"
init = "orthogonal"

[data]
name = "digits"
batch = 3

[inference]
method = "state"
loss = "squared-error"
steps = 40

[backend]
precision = "float64"
"""
SIGNAL = 'network.activation="tanh"'


def run(folder: Path, *overrides: str) -> Trace:
    (folder / "s.toml").write_text(TEXT, encoding="utf-8")
    return pcsim.run(pcsim.read_scenario(folder / "s.toml", overrides))


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ('inference.start="normal"', "network.precisions=[1.0, 0.5, 2.0]"),
        ("network.activity_decay=0.1", "network.skip=2", 'inference.clamp="soft"'),
        ("trace.every=7", 'network.order="activation-first"', 'network.parametrisation="mupc"'),
        ('inference.form="increment"',),
    ],
    ids=str,
)
def test_a_deep_linear_network_gets_its_exact_trajectory(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    with run(tmp_path, *overrides) as trace:
        overlay = theory_of(trace)
        assert overlay.label == EXACT
        assert np.isfinite(overlay.energy[-1]).all()
        told = np.isfinite(overlay.energy)
        np.testing.assert_allclose(overlay.energy[told], trace.energy[told], rtol=1e-9, atol=1e-20)


def test_other_networks_get_the_signal_profile_in_units_of_the_output_error(tmp_path: Path) -> None:
    with run(tmp_path, SIGNAL, 'inference.loss="cross-entropy"', "data.batch=1") as trace:
        overlay = theory_of(trace)
        assert trace.grad_norm is not None
        scale = 0.5 * trace.grad_norm[0, -1] ** 2
        assert overlay.label == PROFILE
        assert np.isnan(overlay.energy[:, -1]).all()
        for distance in (1, 2, 3):
            expected = scale * np.exp(2 * log_binomial_profile(trace.steps, distance, 0.1))
            np.testing.assert_allclose(overlay.energy[:, 3 - distance], expected, rtol=1e-12)


def test_fixed_predictions_in_a_chain_of_identity_layers_lie_on_their_profile(tmp_path: Path) -> None:
    weights, samples = tmp_path / "w.npz", tmp_path / "d.npz"
    one = np.eye(8)
    np.savez(weights, W0=one, W1=one, W2=one, W3=one, W4=one)
    rng = np.random.default_rng(0)
    np.savez(samples, x=np.zeros((3, 8)), y=rng.standard_normal((3, 8)))
    chain = ("network.widths=[8, 8, 8, 8, 8, 8]", "network.bias=false", f'network.weights="{weights}"')
    data = ('data.name="npz"', f'data.file="{samples}"')
    with run(tmp_path, *chain, *data, 'inference.predictions="fixed"') as trace:
        overlay = theory_of(trace)
        assert overlay.label == FIXED_PROFILE
        np.testing.assert_allclose(overlay.energy[:, :-1], trace.energy[:, :-1], rtol=1e-12)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (('inference.method="error"',), 'no theory for a run with method = "error"; there is for method = "state"'),
        (('inference.optimizer="adam"',), 'no theory for a run with optimizer = "adam"'),
        (("inference.step_decay=true",), "no theory for a run with step_decay = 1"),
        (("inference.step_halving=true",), "no theory for a run with step_halving = true"),
        ((SIGNAL, 'inference.start="zeros"'), 'no theory for a run with start = "zeros"'),
        (
            (SIGNAL, "network.precisions=2.0", "network.activity_decay=0.1"),
            "precisions other than 1 and activity decay",
        ),
        ((SIGNAL, "network.skip=2"), "skips longer than 1"),
        ((SIGNAL, "inference.step_size=1.5"), "step_size = 1.5"),
    ],
    ids=str,
)
def test_runs_without_a_theory_say_for_which_there_is_one(
    tmp_path: Path, overrides: tuple[str, ...], words: str
) -> None:
    with run(tmp_path, *overrides) as trace, pytest.raises(UsageError, match=words) as caught:
        theory_of(trace)
    assert "\n" not in str(caught.value)


def test_theory_lies_over_the_lines_with_one_entry_in_a_legend(tmp_path: Path) -> None:
    with run(tmp_path) as trace:
        overlay = theory_of(trace)
        figure: Any = draw([trace], [overlay])
        lines = figure.axes[0].get_lines()
        assert len(lines) == 8
        assert sum(line.get_label() == EXACT for line in lines) <= 1
        low, high = figure.axes[0].get_ylim()
        assert low < np.nanmin(overlay.energy[1:]) < np.nanmax(overlay.energy) < high


@pytest.mark.parametrize("overrides", [(), (SIGNAL,)], ids=["exact", "profile"])
def test_the_command_draws_theory(tmp_path: Path, overrides: tuple[str, ...], capsys: Any) -> None:
    (tmp_path / "s.toml").write_text(TEXT, encoding="utf-8")
    trace, figure = tmp_path / "s.h5", tmp_path / "s.png"
    pcsim.run(pcsim.read_scenario(tmp_path / "s.toml", overrides), path=trace).close()
    assert call(["plot", str(trace), "--theory", "-o", str(figure)]) == 0
    assert figure.stat().st_size > 10_000
    pcsim.run(
        pcsim.read_scenario(tmp_path / "s.toml", ['inference.method="sequential"']), path=trace, force=True
    ).close()
    assert call(["plot", str(trace), "--theory", "-o", str(figure)]) == 2
    assert 'no theory for a run with method = "sequential"' in capsys.readouterr().err


def test_a_diverged_run_is_drawn_as_far_as_floats_reach(tmp_path: Path) -> None:
    with pytest.raises(RunFailed) as caught:
        run(tmp_path, "inference.step_size=50.0", "inference.steps=1000")
    with caught.value.trace as trace:
        pcsim.plot([trace], tmp_path / "diverged.png", theory=True)
        assert (tmp_path / "diverged.png").stat().st_size > 10_000
