"""JAX's own runtime of several processes: what is said where it does not start."""

from typing import Any

import pytest

from pcsim.engine.processes import Group, Processes
from pcsim.errors import UsageError

jax = pytest.importorskip("jax")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("initialize should only be called once."), "^JAX is already in use in this Python process: "),
        (
            jax.errors.JaxRuntimeError("DEADLINE_EXCEEDED: no answer\nand more"),
            r"^JAX's processes did not meet at 127\.0\.0\.1:\d+: DEADLINE_EXCEEDED: no answer; open all ports",
        ),
    ],
)
def test_a_runtime_that_does_not_start_is_one_line_of_its_cause(
    monkeypatch: pytest.MonkeyPatch, error: RuntimeError, line: str
) -> None:
    from pcsim_jax.processes import joined

    def ignores(*_: Any) -> None:
        pass

    def fails(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    monkeypatch.setattr(jax.config, "update", ignores)
    monkeypatch.setattr(jax.distributed, "initialize", fails)
    with pytest.raises(UsageError, match=line), joined(Group(Processes("127.0.0.1:7411", 2, 0), ())):
        pass
