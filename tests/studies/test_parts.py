"""Parts of a study, run apart and put together; the same runs on a cluster."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.errors import UsageError
from pcsim.jobs import Cluster
from pcsim.scenario import parse_scenario
from pcsim.studies import Part, run_study
from tests.studies.test_resumed import TRAINING, numbers_of

FROM_FILE = """
[network]
widths = [8, 4, 2]
activation = "tanh"
[data]
name = "npz"
file = "images.npz"
batch = 4
[inference]
method = "state"
loss = "squared-error"
step_size = 0.1
[sweep]
inference.steps = [1, 2]
"""


def test_parts_become_the_whole_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.toml").write_text(TRAINING)
    for part in ("1/3", "2/3", "3/3"):
        assert call(["run", "s.toml", "--part", part, "--quiet"]) == 0
    assert call(["merge", "s-part1of3.h5", "s-part3of3.h5", "-o", "less.h5"]) == 2
    assert "1 run of 4 are in no part, the first: lr 0.001, seed 1; name all parts" in capsys.readouterr().err
    assert call(["merge", "s-part1of3.h5", "s-part2of3.h5", "s-part3of3.h5"]) == 0
    with pcsim.open_trace("s.h5") as merged, pcsim.run(parse_scenario(TRAINING)) as whole:
        assert numbers_of(merged) == numbers_of(whole)
        assert merged.status == "complete"


def test_parts_from_machines_with_files_in_other_places_become_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    images = np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8)
    for folder in ("a", "b", "c"):
        Path(folder).mkdir()
        np.savez(Path(folder) / "images.npz", x=images if folder != "c" else -images, y=np.arange(8) % 2)
        Path(folder, "s.toml").write_text(FROM_FILE)
    for number, folder in enumerate(("a", "b", "c"), start=1):
        part = ["--part", f"{min(number, 2)}/2", "-o", f"{folder}.h5"]
        assert call(["run", f"{folder}/s.toml", *part, "--quiet"]) == 0
    Path("a/images.npz").unlink()
    assert call(["merge", "a-part1of2.h5", "c-part2of2.h5", "-o", "other.h5"]) == 2
    assert "1 run in these parts had other data or weights than" in capsys.readouterr().err
    assert call(["merge", "a-part1of2.h5", "b-part2of2.h5", "-o", "s.h5"]) == 0
    with pcsim.open_trace("s.h5") as merged, pcsim.run("b/s.toml") as whole:
        assert numbers_of(merged) == numbers_of(whole)


def test_what_is_no_part_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.toml").write_text(TRAINING)
    Path("one.toml").write_text(TRAINING[: TRAINING.index("[sweep]")])
    assert call(["run", "s.toml", "--part", "4/3"]) == 2
    assert call(["run", "one.toml", "--part", "1/2"]) == 2
    assert call(["run", "s.toml", "--cluster", "none.json"]) == 2
    assert call(["run", "s.toml", "--cluster", "none.json", "--jobs", "2"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert "'4/3' is not allowed; give a number and how many parts there are, such as 2/8" in errors[0]
    assert "--part and --cluster are for the runs of a [sweep]" in errors[1]
    assert "none.json: no such scheduler file" in errors[2]
    assert "--jobs is for this machine, --cluster for its own workers; give one of them" in errors[3]
    search = TRAINING.replace("[sweep]", "[search]\ntrials = 3\nmetric = 'test_loss'")
    with pytest.raises(UsageError, match="parts are shares of a list, and a search draws one run after another"):
        run_study(parse_scenario(search), part=Part(1, 2))


def test_in_python_parts_are_named_as_on_the_command_line(tmp_path: Path) -> None:
    scenario = parse_scenario(TRAINING)
    for part in ("1/2", "2/2"):
        with pcsim.run(scenario, path=tmp_path / "s.h5", part=part) as trace:
            assert trace.path == tmp_path / f"s-part{part[0]}of2.h5"
    parts = sorted(tmp_path.glob("s-part*of2.h5"))
    with pcsim.merge(parts, tmp_path / "s.h5") as merged, pcsim.run(scenario) as whole:
        assert numbers_of(merged) == numbers_of(whole)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ({"jobs": 4}, "jobs=4 is for several runs, and the scenario is of one"),
        ({"part": "1/2"}, r"part and cluster are for the runs of a \[sweep\]"),
        ({"cluster": "tcp://127.0.0.1:1"}, r"part and cluster are for the runs of a \[sweep\]"),
        ({"part": "0/2"}, "part '0/2' is not allowed; give a number and how many parts there are, such as 2/8"),
        ({"sweep": True, "cluster": "tcp://127.0.0.1:1", "jobs": 2}, "give one of them"),
        ({"sweep": True, "cluster": "none.json"}, "none.json: no such scheduler file"),
        ({"sweep": True, "jobs": 0}, "jobs=0 is not allowed; give 1 or more, or None"),
    ],
)
def test_what_does_not_go_with_the_runs_is_refused(words: dict[str, Any], line: str) -> None:
    scenario = parse_scenario(TRAINING)
    with pytest.raises(UsageError, match=line):
        pcsim.run(scenario if words.pop("sweep", False) else scenario.alone(), **words)


def killed_once(mark: str, number: int) -> int:
    """End this process the first time that number 1 comes."""
    if number == 1 and not Path(mark).exists():
        Path(mark).touch()
        os._exit(9)
    return number**2


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore")  # Dask's own, of workers that die
def test_a_cluster_comes_to_the_same_bits_and_tries_again_what_a_worker_dies_over(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        scenario = parse_scenario(TRAINING)
        address = cluster.scheduler_address
        with run_study(scenario, path=tmp_path / "s.h5", cluster=address) as there, pcsim.run(scenario) as here:
            assert numbers_of(there) == numbers_of(here)
        calls = [(str(tmp_path / "mark"), number) for number in range(4)]
        found = {outcome.number: outcome for outcome in Cluster(address).run(killed_once, calls)}
        assert {number: outcome.value for number, outcome in found.items()} == {0: 0, 1: 1, 2: 4, 3: 9}
