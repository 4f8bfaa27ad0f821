"""Replaying in a terminal: bars of energy that move, and what they say of layers that have none."""

import io

import numpy as np
import pytest
from rich.console import Console

import pcsim
from pcsim.report import replay


@pytest.fixture(scope="module")
def trace() -> pcsim.Trace:
    return pcsim.run("signal-decay", "inference.steps=6")


def terminal(width: int = 80, height: int = 40) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None)


def shown(console: Console) -> str:
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def lines(console: Console) -> dict[str, str]:
    """Return the line of every layer that is shown."""
    found = [line for line in shown(console).splitlines() if line.startswith(("layer", "output"))]
    return {line[:8].strip(): line[8:] for line in found}


def test_a_terminal_shows_steps_from_the_first_to_the_last(trace: pcsim.Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("pcsim.report.replay.time.sleep", waits.append)
    console = terminal()
    replay.replay(trace, console)
    for step in (0, 1, 2, 3, 4, 6):
        assert f"step {step} of 6" in shown(console)
    assert len(waits) == 6
    waits.clear()
    replay.replay(trace, terminal(), speed=replay.SECONDS * replay.FRAMES_PER_SECOND / 2)
    assert len(waits) == 2


def test_bars_are_as_long_as_the_logarithm_of_energy(trace: pcsim.Trace) -> None:
    console = terminal(width=128)
    energy = np.ones_like(trace.energy)
    energy[3, :4] = (1e-10, 1e-5, 0.0, np.inf)
    console.print(replay.energy_bars(trace, energy, 3, 128, 40))
    found = lines(console)
    assert "bars: log energy from 1e-10 to 1e0" in shown(console)
    assert [found[f"layer {i}"].count("█") for i in range(5)] == [1, 50, 0, 0, 100]
    assert "no signal" in found["layer 2"]
    assert "not finite" in found["layer 3"]


def test_energies_that_are_all_one_number_have_whole_bars(trace: pcsim.Trace) -> None:
    for value, bars in ((2.0, 100), (0.0, 0)):
        console = terminal(width=128)
        console.print(replay.energy_bars(trace, np.full_like(trace.energy, value), 0, 128, 40))
        found = lines(console)
        assert len(found) == len(trace.layer_names)
        assert {line.count("█") for line in found.values()} == {bars}


def test_a_low_terminal_shows_the_first_and_the_last_layer(trace: pcsim.Trace) -> None:
    console = terminal()
    console.print(replay.energy_bars(trace, trace.energy, 0, 80, 9))
    found = list(lines(console))
    assert len(found) == 5
    assert (found[0], found[-1]) == (trace.layer_names[0], trace.layer_names[-1])
