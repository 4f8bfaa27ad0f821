"""Runs that are stopped, by a signal or by an error in the user's own code: what there is of them is kept."""

import pickle
import signal
import threading
from collections.abc import Callable, Generator

import numpy as np
import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.errors import Interrupted
from tests.support.scenario_files import TEXT, Files
from tests.support.training_files import TRAINING, UPDATES


def at_step_7(signum: int) -> Callable[[float, float], None]:
    def progress(step: float, steps: float) -> None:
        if step == 7:
            signal.raise_signal(signum)

    return progress


@pytest.mark.parametrize(
    ("signum", "code", "words"),
    [(signal.SIGINT, 130, ""), (signal.SIGTERM, 143, " by SIGTERM"), (signal.SIGHUP, 129, " by SIGHUP")],
)
def test_an_interrupted_run_ends_after_a_whole_step(files: Files, signum: int, code: int, words: str):
    before = signal.getsignal(signum)
    line = rf"^interrupted{words} after step 7; the trace up to there is in s\.h5$"
    with pytest.raises(Interrupted, match=line) as caught:
        pcsim.run(files.read(TEXT, "trace.every=5"), path="s.h5", progress=at_step_7(signum))
    assert signal.getsignal(signum) is before
    assert (caught.value.exit_code, pickle.loads(pickle.dumps(caught.value)).exit_code) == (code, code)
    with caught.value.trace as trace:
        assert (trace.status, trace.steps.tolist(), len(trace.final_states)) == ("interrupted", [0, 5, 7], 3)


@pytest.fixture
def restored() -> Generator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("restored")
def test_a_signal_that_is_ignored_stays_so(files: Files):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    with pcsim.run(files.read(TEXT), progress=at_step_7(signal.SIGHUP)) as trace:
        assert trace.status == "complete"


@pytest.mark.usefixtures("restored")
def test_a_handler_of_the_users_own_is_called_when_the_trace_is_finished(files: Files):
    found = list[str]()

    def handler(signum: int, frame: object) -> None:
        with pcsim.open_trace("s.h5") as trace:
            found.append(trace.status)

    signal.signal(signal.SIGHUP, handler)
    with pytest.raises(Interrupted):
        pcsim.run(files.read(TEXT), path="s.h5", progress=at_step_7(signal.SIGHUP))
    assert found == ["interrupted"]


def test_the_command_line_is_stopped_wherever_it_is(files: Files, capsys: pytest.CaptureFixture[str]):
    def stopped(*given: object, **words: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    files.write(TEXT)
    for command, where in ((["check"], "pcsim.cli.check.prepare"), (["inspect"], "pcsim.cli.inspect.inspect")):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(where, stopped)
            assert call([*command, "s.toml"]) == 143
    assert capsys.readouterr().err.split() == 2 * ["error:", "interrupted", "by", "SIGTERM"]


def test_a_second_interrupt_is_not_deferred(files: Files):
    def insist(step: float, steps: float) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        pcsim.run(files.read(TEXT), path="s.h5", progress=insist)
    with pcsim.open_trace("s.h5") as trace:
        assert trace.status == "interrupted"


def test_a_run_in_another_thread(files: Files):
    scenario, rows = files.read(TEXT), list[int]()
    thread = threading.Thread(target=lambda: rows.append(pcsim.run(scenario).rows))
    thread.start()
    thread.join()
    assert rows == [21]


@pytest.mark.parametrize(("failing", "status"), [(7, "interrupted"), (20, "complete")])
def test_an_error_in_a_callback_is_raised_when_the_trace_is_finished(files: Files, failing: int, status: str):
    def fail(step: float, steps: float) -> None:
        if step == failing:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        pcsim.run(files.read(TEXT), progress=fail)
    assert isinstance(caught.value.__cause__, Interrupted)
    with caught.value.__cause__.trace as trace:
        assert (trace.status, trace.steps[-1], len(trace.final_states)) == (status, failing, 3)


def test_an_error_in_a_callback_loses_no_network(files: Files):
    def fail(update: float, last: float) -> None:
        if update >= UPDATES:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        pcsim.run(files.read(TRAINING), path="s.h5", progress=fail)
    with pcsim.open_trace("s.h5") as trace:
        assert (trace.status, trace.attributes["updates"]) == ("interrupted", UPDATES)
        assert not np.array_equal(trace.trained["W_0"], trace.network["W_0"])
    pcsim.run(files.read(TRAINING), resume="s.h5").close()
