"""A process in which Python has what it has on Windows, as far as traces are concerned: writes, kills, repairs one."""

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

for module in ("resource", "fcntl", "pwd", "grp"):
    sys.modules[module] = None  # type: ignore[assignment]
for function in ("pread", "preadv", "posix_fallocate", "fork", "sched_getaffinity", "getuid", "geteuid", "mkfifo"):
    delattr(os, function)

import h5py  # noqa: E402

import pcsim  # noqa: E402
from pcsim.trace import assemble, atomic, growing, open_trace, owner, repair, resume, space, writer  # noqa: E402
from tests.support.trace_samples import TRAINING, append_epoch, beginning, block, create, final, layout  # noqa: E402


def refuse(*arguments: Any) -> Any:
    raise AssertionError(f"not there, or harmful: {arguments}")


def load(name: str | None, load_library: Any = ctypes.CDLL, **options: Any) -> Any:
    if name is None:
        raise TypeError("bad argument type")
    return load_library(name, **options)


def unless_open(act: Any) -> Any:
    """Return what moves or removes a file, and fails as on Windows where the file, or one it would replace, is open."""

    def wrapped(self: Path, *arguments: Any, **options: Any) -> Any:
        for path in (self, *(Path(a) for a in arguments if isinstance(a, Path))):
            for link in Path("/proc/self/fd").iterdir():
                if link.exists() and path.exists() and link.samefile(path):
                    raise PermissionError(13, "Access is denied")
        return act(self, *arguments, **options)

    return wrapped


def main(folder: Path) -> None:
    owner.POSIX = assemble.POSIX = atomic.POSIX = space.POSIX = growing.POSIX = writer.POSIX = False
    os.kill, ctypes.CDLL = refuse, load  # type: ignore[assignment, misc]
    for name in ("replace", "unlink", "rename"):
        setattr(Path, name, unless_open(getattr(Path, name)))
    path = folder / "run.h5"
    scenario = pcsim.read_scenario("signal-decay", ["network.hidden={layers=3, width=8}", "inference.steps=5"])
    for force in (False, True):
        with pcsim.run(scenario, path=path, force=force) as trace:
            assert trace.rows == 6
    with open_trace(path) as trace:
        assert pcsim.verify(trace).agrees
    killed = folder / "killed.h5"
    written = create(killed)
    written.append(block(0, 5))
    (folder / "copy.h5").write_bytes(killed.read_bytes())  # as it is left by a process that is killed
    with open_trace(killed) as reader:
        assert reader.rows == 5
    written.finish("complete", {}, final()).close()
    assert repair(folder / "copy.h5").rows == 5
    with h5py.File(folder / "copy.h5") as file:
        assert file.attrs["status"] == "interrupted"
    of = layout(training=TRAINING)
    trained = create(folder / "trained.h5", of)
    append_epoch(trained, 3)
    trained.close()
    with open_trace(folder / "trained.h5") as old:
        resumed = resume(folder / "again.h5", old, beginning(of), updates=3, epochs=1)
    resumed.finish("complete", {}, {}).close()
    print("done", sorted(other.name for other in folder.iterdir()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
