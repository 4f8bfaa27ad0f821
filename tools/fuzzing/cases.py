"""One case: an input made from a seed and a number, one command on it, and what must not have come of it."""

import contextlib
import io
import os
import random
import re
import resource
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from fuzzing import data, hdf5, texts
from fuzzing.bases import SINGLE_FILES
from pcsim.cli.call import call

SECRET = b"not to be read, not to be written"
TRACES = ("s.h5", "s.h5", "train.h5", "flow.h5", "study.h5", "killed.h5", "broken.h5")
ON_TRACES = (
    "replay T",
    "replay --verify T",
    "export T -o out.npz",
    "eval T",
    "learn T -o out.npz",
    "repair T",
    "run S --resume T",
    "view T -o out.html",
    "plot T -o out.png",
)
ON_SCENARIOS = ("check T", "check T", "show T", "inspect T", "run T --set inference.steps=2 -o out.h5")
ON_WEIGHTS = ("eval T", "check s.toml --set network.weights=T", "inspect s.toml --set network.weights=T")
ON_DATA = (
    "check s.toml --set data.file=T",
    "eval w.npz --set data.file=T",
    "run train.toml --set data.file=T -o out.h5",
)
WRITTEN = re.compile(r"out\.(npz|png|html|h5|h5\.checkpoint)|broken\.h5(\.checkpoint)?")


@dataclass
class Case:
    """What came of a case; `problem` is empty where nothing was wrong."""

    number: int
    what: str
    command: str
    code: int
    seconds: float
    problem: str
    said: str


def run_case(seed: int, number: int, bases: Path, folder: Path, begun: Callable[[str, str], None]) -> Case:
    """Make a case in a folder of its own and run it there; `begun` is told its kind and command first."""
    draw = random.Random(f"{seed}-{number}")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(bases, folder)
    (folder / "secret.h5").write_bytes(SECRET)
    os.mkfifo(folder / "pipe")
    (folder / "loop.toml").write_text('extends = "loop.toml"\n')
    os.chdir(folder)
    kind = draw.choice(
        ("trace",) * 5 + ("scenario",) * 4 + ("weights", "data", "checkpoint", "images", "photos", "path")
    )
    target, command = _KINDS[kind](draw, folder)
    before = _listed(folder)
    command = command.replace("S", {"train.h5": "train.toml", "flow.h5": "flow.toml"}.get(target, "train.toml"))
    words = [
        word.replace("T", target) if word in ("T", "network.weights=T", "data.file=T") else word
        for word in command.split()
    ]
    if draw.random() < 0.1 and words[0] in ("check", "run", "eval", "learn", "inspect"):
        words += ["--set", texts.override(draw)]
    begun(kind, " ".join(words)[:200])
    start, out, err = time.process_time(), io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = call(words)
        except BaseException as error:
            code, problem = -1, f"{type(error).__name__} left the command"
        else:
            problem = _problem(code, out.getvalue(), err.getvalue())
    seconds = time.process_time() - start
    problem = problem or _touched(folder, before, target)
    said = (err.getvalue() or out.getvalue())[:300]
    return Case(number, kind, " ".join(words)[:200], code, round(seconds, 3), problem, said)


def _trace(draw: random.Random, folder: Path) -> tuple[str, str]:
    target = draw.choice(TRACES)
    path = folder / target
    if target == "killed.h5" and draw.random() < 0.5:
        _changed("killed.h5.journal", data.journal)(draw, folder)
        return target, draw.choice(("replay T", "repair T", "learn T -o out.npz"))
    way = draw.random()
    if way < 0.65:
        hdf5.craft(draw, path)
    if way > 0.6:
        path.write_bytes(data.damaged(draw, path.read_bytes()))
    return target, _on_trace(draw)


def _on_trace(draw: random.Random) -> str:
    """Return a command on a trace; drawing costs a second, and is rare."""
    return ON_TRACES[-1] if draw.random() < 0.02 else draw.choice(ON_TRACES[:-1])


def _scenario(draw: random.Random, folder: Path) -> tuple[str, str]:
    target = draw.choice(("s.toml", "train.toml", "study.toml", "flow.toml", "child.toml"))
    path = folder / target
    if draw.random() < 0.03:
        for number in range(3000):
            (folder / f"e{number}.toml").write_text(f'extends = "e{number + 1}.toml"\n')
        shutil.copy(path, folder / "e3000.toml")
        return "e0.toml", draw.choice(ON_SCENARIOS)
    if draw.random() < 0.15:
        path.write_bytes(data.damaged(draw, path.read_bytes()))
    else:
        path.write_text(texts.mutated(draw, path.read_text()), errors="surrogateescape", newline="")
    return target, draw.choice(ON_SCENARIOS)


def _changed(target: str, change: Callable[[random.Random, bytes], bytes]) -> Callable[[random.Random, Path], None]:
    def write(draw: random.Random, folder: Path) -> None:
        path = folder / target
        path.write_bytes(draw.choice((change, data.damaged))(draw, path.read_bytes()))

    return write


def _weights(draw: random.Random, folder: Path) -> tuple[str, str]:
    target, change = draw.choice((("w.npz", data.archive), ("w.safetensors", data.tensors)))
    _changed(target, change)(draw, folder)
    return target, draw.choice(ON_WEIGHTS)


def _data(draw: random.Random, folder: Path) -> tuple[str, str]:
    _changed("data.npz", data.archive)(draw, folder)
    return "data.npz", draw.choice(ON_DATA)


def _checkpoint(draw: random.Random, folder: Path) -> tuple[str, str]:
    _changed("broken.h5.checkpoint", data.checkpoint)(draw, folder)
    return "broken.h5", draw.choice(("run train.toml --resume T", "export T -o out.npz", "repair T"))


def _images(draw: random.Random, folder: Path) -> tuple[str, str]:
    _changed(str(draw.choice(sorted(folder.glob("idx/*"))).relative_to(folder)), data.images)(draw, folder)
    return "images.toml", "check T"


def _photos(draw: random.Random, folder: Path) -> tuple[str, str]:
    name, file = draw.choice(sorted(SINGLE_FILES.items()))
    (folder / file).write_bytes(data.damaged(draw, (folder / file).read_bytes()))
    return f"{name}.toml", "check T"


def _path(draw: random.Random, folder: Path) -> tuple[str, str]:
    target, commands = draw.choice(
        (
            ("s.h5", ON_TRACES),
            ("s.toml", ON_SCENARIOS),
            ("w.npz", ON_WEIGHTS),
            ("w.safetensors", ON_WEIGHTS),
            ("data.npz", ON_DATA),
        )
    )
    # A scenario may come through a pipe, which waits for its writer.
    data.unusual(draw, folder / target, pipe=commands is not ON_SCENARIOS)
    return target, draw.choice(commands)


_KINDS: dict[str, Callable[[random.Random, Path], tuple[str, str]]] = {
    "trace": _trace,
    "scenario": _scenario,
    "weights": _weights,
    "data": _data,
    "checkpoint": _checkpoint,
    "images": _images,
    "photos": _photos,
    "path": _path,
}


def _problem(code: int, out: str, err: str) -> str:
    said = out + err
    if "bug in pcsim" in said or "Traceback" in said:
        return "a bug in pcsim"
    if "out of memory" in said:
        return "out of memory"
    if code not in (0, 1, 2, 3):
        return f"exit code {code}"
    if code and not err.startswith(("error: ", "note: ")):
        return "no line of error"
    if not all(sign.isprintable() or sign in "\n\t\u200c\u200d" for sign in said if not sign.isspace()):
        return "something that a terminal obeys"
    return ""


def _listed(folder: Path) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            status = path.lstat()
            found[str(path.relative_to(folder))] = (status.st_size, status.st_mtime_ns)
    return found


def _touched(folder: Path, before: dict[str, tuple[int, int]], target: str) -> str:
    after = _listed(folder)
    strange = [name for name, found in after.items() if before.get(name) != found and not WRITTEN.fullmatch(name)]
    strange = [name for name in strange if name != target] + [
        name for name in before if name not in after and name != target
    ]
    strange = [name for name in strange if name not in ("broken.h5.checkpoint", f"{target}.journal")]
    leaked = [name for name in after if name.startswith("out.") and SECRET in (folder / name).read_bytes()]
    return f"touched {', '.join(strange)}" if strange else f"read secret.h5 into {leaked[0]}" if leaked else ""


def peak_bytes() -> int:
    """Return how much memory this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def as_row(case: Case) -> dict[str, object]:
    """Return a case as plain values."""
    return asdict(case)
