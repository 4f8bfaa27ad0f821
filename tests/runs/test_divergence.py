"""Training that diverges: the line that says so, what it advises, and the trace that is left."""

import numpy as np
import pytest

import pcsim
from pcsim.cli.call import call
from tests.support.scenario_files import Files
from tests.support.training_files import TRAINING, only_line


def test_divergence_names_update_and_layer_and_keeps_the_trace(files: Files, capsys: pytest.CaptureFixture[str]):
    files.write(TRAINING)
    line = only_line(capsys, ["run", "s.toml", "--set", "learning.lr=1e30"], code=1)
    assert line.startswith(
        "training diverged: the energy of layer 0 is not finite at update 2 (epoch 1); use a smaller"
    )
    assert line.endswith("the trace up to there is in s.h5")
    with pcsim.open_trace("s.h5") as trace:
        assert (trace.status, trace.rows) == ("failed", 0)
        assert trace.training["update"].tolist() == [1, 2]
        assert np.isfinite(trace.training["energy"][0]).all()
        assert trace.attributes["failure"] in line


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (
            ("inference.step_size=1e300",),
            "no weight has moved yet: use a smaller inference.step_size, or smaller initial weights or data; ",
        ),
        (
            ("inference.step_size=1e300", "learning.rule=incremental"),
            "use a smaller learning.lr or inference.step_size",
        ),
        (
            ("inference.error_steps=1", "inference.error_step_size=1e300"),
            "use a smaller inference.step_size or inference.error_step_size, or smaller initial weights or data",
        ),
        (("learning.lr=1e30", "inference.method=backprop"), "use a smaller learning.lr, or learning.clip"),
        (("learning.lr=1e30", "learning.scale=per-layer"), "use a smaller learning.lr or inference.step_size; "),
        (("learning.lr=1e30", "inference.step_size=auto"), "use a smaller learning.lr, or learning.clip"),
    ],
)
def test_divergence_is_answered_by_what_can_be_its_cause(
    words: tuple[str, ...], advice: str, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    files.write(TRAINING)
    told = [part for word in ("network.activation=linear", *words) for part in ("--set", word)]
    assert call(["run", "s.toml", *told]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert advice in line
    assert line.count("use a smaller") == 1
