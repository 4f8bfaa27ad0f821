"""What the exact backend refuses before it starts: bits, work beyond reach, a missing package."""

import subprocess
import sys
from dataclasses import replace

import pytest

pytest.importorskip("flint", reason="needs python-flint")

from pcsim_exact import ExactBackend, cost
from pcsim_exact import backend as backend_module
from pcsim_exact.number import precision

from pcsim.engine.backend import Task
from pcsim.engine.registry import require
from pcsim.errors import UsageError
from pcsim.model.arithmetic import Arithmetic
from tests.support.cases import make_case, make_task


def refused(task: Task) -> None:
    """Ask for a task that must be refused."""
    ExactBackend().estimate(task)


def test_more_work_than_can_finish_is_refused_with_an_estimate() -> None:
    task = make_task(make_case("gelu"), steps=10_000_000, precision="exact")
    with pytest.raises(UsageError, match=r"would take about [\d,]+ (days|years): 10000000 steps of 4 samples"):
        refused(task)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 seconds"), (50.0, "50 seconds"), (600.0, "10 minutes"), (3 * 86400.0, "3 days"), (1e11, "3,169 years")],
)
def test_durations(seconds: float, words: str) -> None:
    assert cost.duration(seconds) == words


@pytest.mark.parametrize(
    ("word", "bits"), [("exact", 256), ("512 bits", 512), ("{ bits = 53 }", 53), ("bits = 65536", 65536)]
)
def test_precision_words(word: str, bits: int) -> None:
    assert precision.bits_asked(word) == bits


@pytest.mark.parametrize("word", ["52 bits", "65537 bits", "{ bits = -3 }", "0 bits"])
def test_bits_out_of_range(word: str) -> None:
    with pytest.raises(UsageError, match="out of range; the exact backend takes 53 to 65536 bits"):
        refused(replace(make_task(make_case()), precision=word))


def test_a_precision_it_lacks() -> None:
    with pytest.raises(UsageError, match="no precision 'float32'"):
        refused(make_task(make_case(), precision="float32"))


def test_options_of_narrow_formats() -> None:
    task = make_task(make_case(), precision="exact", arithmetic=Arithmetic(rounding="stochastic"))
    with pytest.raises(UsageError, match="for the precisions float16 and bfloat16, not exact"):
        refused(task)


def test_without_python_flint_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None:
        return None

    monkeypatch.setattr(backend_module, "find_spec", nothing)
    able = ExactBackend().capabilities()
    assert able.problem == "python-flint is not installed"
    assert able.fix == "install it with: pip install 'pcsim[exact]'"
    with pytest.raises(UsageError, match=r"pip install 'pcsim\[exact\]'"):
        require("exact", ExactBackend(), "exact", "state")


def test_it_can_be_imported_without_python_flint() -> None:
    code = "import sys; sys.modules['flint'] = None; import pcsim_exact; pcsim_exact.ExactBackend().capabilities()"
    subprocess.run([sys.executable, "-c", code], check=True)
