"""Processes that meet: what they tell each other, and what is said when they do not."""

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pipe
from typing import Any

import numpy as np
import pytest

from pcsim.engine import processes
from pcsim.engine.processes import Group, Processes, met
from pcsim.errors import RunFailed, UsageError


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def together(*acts: Callable[[Group], Any], counts: tuple[int, ...] = (), numbers: tuple[int, ...] = ()) -> list[Any]:
    """Return what each act came to, or raised, as if each were in a process of its own."""
    address = free_address()

    def one(i: int) -> Any:
        try:
            count = counts[i] if counts else len(acts)
            with met(Processes(address, count, numbers[i] if numbers else i)) as group:
                return acts[i](group)
        except (UsageError, RunFailed) as error:
            return str(error)

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(one, range(len(acts))))


def test_what_the_first_tells_is_heard_by_all_and_what_all_say_by_each() -> None:
    rates = np.array([0.1, 0.2], dtype=np.float32)

    def leads(group: Group) -> Any:
        found = group.gather({"says": "0"})
        group.tell("run", np.arange(6).reshape(2, 3), rates)
        group.dismiss()
        return found

    def follows(group: Group) -> Any:
        found = group.gather({"says": str(group.processes.number)})
        what, (rows, speeds) = group.hear() or ("", [])
        np.testing.assert_array_equal(rows, [[0, 1, 2], [3, 4, 5]])
        assert speeds.dtype == np.float32
        assert speeds.tolist() == rates.tolist()
        assert (what, group.hear()) == ("run", None)
        return found

    everybody = [{"says": "0"}, {"says": "1"}, {"says": "2"}]
    assert together(leads, follows, follows) == [everybody] * 3


def test_who_has_gone_is_missed() -> None:
    def stays(group: Group) -> Any:
        while (number := group.lost()) is None:
            pass
        return number

    assert together(stays, lambda _: None)[0] == 1
    assert together(lambda _: None, Group.hear)[1] == "process 0, which leads, was lost"
    assert together(lambda group: group.gather({}), lambda _: None)[0].startswith("process 1 has ended before anything")


def test_one_that_is_gone_keeps_no_other_from_hearing_that_it_is_over() -> None:
    (to_first, first), (to_second, second) = Pipe(), Pipe()
    first.close()
    second.send_bytes(b"left")
    Group(Processes("here:1", 3, 0), (to_first, to_second)).dismiss()
    assert second.poll()
    assert Group(Processes("here:1", 3, 2), (second,)).hear() is None


def test_processes_that_do_not_agree_on_how_many_they_are_are_refused() -> None:
    nothing: Callable[[Group], Any] = lambda _: None  # noqa: E731
    for line in together(nothing, nothing, counts=(2, 3)):
        assert line.startswith("process 1 says that there are 3 processes, process 0 2")
    for line in together(nothing, nothing, nothing, numbers=(0, 1, 1)):
        assert line.startswith("two processes call themselves number 1")


def test_a_coordinator_that_nobody_comes_to_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "WAIT", 0.3)
    address = free_address()
    for number, line in {
        0: rf"^process 1 did not come to {address} within 0 s; start all",
        1: rf"^nobody answered at the coordinator {address} within 0 s \(Connection refused\); start process 0 there",
    }.items():
        with pytest.raises(UsageError, match=line), met(Processes(address, 2, number)):
            pass
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(UsageError, match=r"^process 0 cannot listen at .* \(Address already in use\)"),
        met(Processes(f"127.0.0.1:{taken.getsockname()[1]}", 2, 0)),
    ):
        pass


@pytest.mark.parametrize(
    ("coordinator", "count", "number", "line"),
    [
        ("here", 2, 0, "the coordinator 'here' is not allowed; give HOST:PORT, as in 10.0.0.1:7411"),
        ("here:70000", 2, 0, "the coordinator 'here:70000' is not allowed; give HOST:PORT"),
        ("here:1", 1, 0, "1 processes cannot share anything; give 2 or more, or no coordinator"),
        ("here:1", 2, 2, "process 2 of 2 is not allowed; give 0 to 1"),
    ],
)
def test_processes_that_cannot_be_are_one_line(coordinator: str, count: int, number: int, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        Processes(coordinator, count, number)
