"""The kernels' source: CUDA C files, read in this order as one program."""

from pathlib import Path

FILES = ("numbers", "net", "rows", "activations", "losses", "steppers", "predict", "look", "move", "carry")
NAMES = ("predict", "expose", "look", "move", "anchor", "carry", "tick")
"""The functions that are launched."""
OPTIONS = ("-std=c++17", "--fmad=false")
"""No contraction of a·b + c: s − a·f must be zero where s was stored as a·f."""

PERTURBED, REMEMBERED = 1, 2
CARRIED, KEPT, QUIET = 1, 2, 4
MOVES, MEASURED, THROUGH, AT_ONCE, FOLLOWED, CHANGED, LAST = (1 << k for k in range(7))
SOURCE_MOVED, SKIP_MOVED, OWN_MOVED = 1, 2, 4


def paths() -> tuple[Path, ...]:
    """Return the files in the order they are compiled in."""
    return tuple(Path(__file__).parent / f"{name}.cu" for name in FILES)


def source() -> str:
    """Return the whole program."""
    return "\n".join(path.read_text(encoding="utf-8") for path in paths())
