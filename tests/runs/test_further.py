"""Training that has come to its end goes on to more epochs: to the bits of a longer run, or a line says why not."""

from collections.abc import Mapping
from pathlib import Path

import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.errors import Interrupted, UsageError
from pcsim.runs.checkpoint import checkpoint_path
from pcsim.runs.hooks import Rows
from tests.support.covering import sampled
from tests.support.scenario_files import Files
from tests.support.training_files import TRAINING, UPDATES, assert_same_bits, interrupting, learned, only_line

TWO, FOUR = "learning.epochs=2", "learning.epochs=4"
KEPT = Path("s.h5.checkpoint")


WORDS = {
    "step": ["learning.schedule={kind='step', every=1, factor=0.5}", "learning.optimizer=momentum"],
    "patience": ["learning.patience=4", "data.validation=0.1", "learning.checkpoint=3"],
    "mq": ["inference.method=error", "learning.optimizer=mq"],
    "incremental": ["learning.rule=incremental", "learning.drop_last=false"],
}


@pytest.mark.parametrize("words", sampled(WORDS, ["step", "patience"]))
def test_a_finished_run_goes_on_to_the_bits_of_a_longer_one(files: Files, words: list[str]):
    pcsim.run(files.read(TRAINING, FOUR, *words), path="whole.h5").close()
    pcsim.run(files.read(TRAINING, TWO, *words), path="s.h5").close()
    assert len(learned("s.h5")["training/epoch"]) == 2
    with pcsim.run(files.read(TRAINING, FOUR, *words), resume="s.h5") as trace:
        assert (trace.status, trace.attributes["epochs_trained"]) == ("complete", 4)
        assert "epochs = 4" in trace.provenance["scenario"]
        assert pcsim.verify(trace).agrees
    assert_same_bits("s.h5", "whole.h5")


@pytest.mark.exhaustive
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_so_does_one_on_jax(files: Files, precision: str):
    where = ["backend.name=jax", f"backend.precision={precision}"]
    for epochs, name in ((FOUR, "whole.h5"), (TWO, "s.h5")):
        pcsim.run(files.read(TRAINING, epochs, *where), path=name).close()
    pcsim.run(files.read(TRAINING, FOUR, *where), resume="s.h5").close()
    assert_same_bits("s.h5", "whole.h5")


def test_the_command_line_goes_on_too_and_after_an_interruption(files: Files, capsys: pytest.CaptureFixture[str]):
    scenario = files.read(TRAINING)
    files.write(TRAINING)
    pcsim.run(scenario, path="whole.h5").close()
    assert call(["run", "s.toml", "--set", TWO, "--quiet"]) == 0
    with pytest.raises(Interrupted, match="after epoch 3"):
        pcsim.run(scenario, resume="s.h5", progress=interrupting(3 * UPDATES))
    assert call(["run", "s.toml", "--resume", "s.h5"]) == 0
    assert "trained 4 epochs, 88 updates in " in capsys.readouterr().out
    assert_same_bits("s.h5", "whole.h5")
    line = only_line(capsys, ["run", "s.toml", "--resume", "s.h5"], code=2)
    assert line == (
        "s.h5 is complete: there is nothing to resume; to train its network further, set learning.epochs above 4, or "
        "start another run from it with network.weights=s.h5"
    )


def test_a_run_that_a_callback_ended_goes_on_as_planned(files: Files):
    def enough(row: Rows) -> str | None:
        return "stop" if row["epoch"] == 1 else None

    scenario = files.read(TRAINING)
    pcsim.run(scenario, path="whole.h5").close()
    pcsim.run(scenario, path="s.h5", on_epoch=enough).close()
    pcsim.run(scenario, resume="s.h5").close()
    assert_same_bits("s.h5", "whole.h5")


REFUSED: Mapping[str, tuple[list[str], str]] = {
    "by its schedule": (["learning.schedule={kind='cosine'}"], "learning.schedule spreads its rates over learning"),
    "by patience": (["learning.patience=1", "learning.lr=0.5"], "stopped early, by learning.patience: more epochs"),
    "of other keys": (["learning.lr=0.02"], "learning.lr is 0.02 there, 0.03 here"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_go_on_is_refused_in_a_line(files: Files, capsys: pytest.CaptureFixture[str], case: str):
    words, said = REFUSED[case]
    files.write(TRAINING)
    files.read(TRAINING)
    set_words = [part for word in [*words, "learning.epochs=3"] for part in ("--set", word)]
    assert call(["run", "s.toml", "--quiet", *set_words]) == 0
    assert KEPT.exists() == (case == "of other keys")
    more = ["--set", "learning.epochs=9"] + (["--set", "learning.lr=0.03"] if case == "of other keys" else [])
    assert said in only_line(capsys, ["run", "s.toml", *set_words, *more, "--resume", "s.h5"], code=2)
    with pcsim.open_trace("s.h5") as trace:
        assert trace.status == "complete"


def test_a_trace_whose_optimizer_is_not_kept_says_so(files: Files):
    """As those that were written before it was kept."""
    pcsim.run(files.read(TRAINING, TWO), path="s.h5").close()
    KEPT.unlink()
    with pytest.raises(UsageError, match=r"what its optimizer remembers is not kept \(s\.h5\.checkpoint\); start "):
        pcsim.run(files.read(TRAINING, FOUR), resume="s.h5")
    with pytest.raises(UsageError, match=r"nothing to resume; to train its network further, start another run from it"):
        pcsim.run(files.read(TRAINING, TWO), resume="s.h5")


def test_seeds_go_on_each(files: Files):
    seeds = "learning.seeds=[0, 1]"
    for epochs, name in ((FOUR, "whole.h5"), (TWO, "s.h5")):
        pcsim.run_seeds(files.read(TRAINING, epochs, seeds), path=name)
    pcsim.run_seeds(files.read(TRAINING, FOUR, seeds), path="s.h5", resume=True)
    for seed in (0, 1):
        assert_same_bits(f"s-seed{seed}.h5", f"whole-seed{seed}.h5")


def test_runs_of_a_study_keep_nothing(files: Files):
    sweep = "\n[sweep]\nlearning.lr = [1e-2, 1e-3]\n"
    pcsim.run(files.read(TRAINING + sweep, "learning.epochs=1"), path="study.h5").close()
    assert not list(files.folder.rglob("*.checkpoint"))
    assert not checkpoint_path(Path("study.h5")).exists()
