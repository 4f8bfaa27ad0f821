"""A small trace for tests: its layout, rows whose numbers are their step, and writers in their own process."""

import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pcsim.trace import Beginning, Block, EpochBlock, Layout, TraceWriter, Training, UpdateBlock
from tests.support.places import ROOT

UNITS = ((5,), (5,), (3,))
SAMPLES = 2
ALL = frozenset({"energy", "grad_norm", "states", "errors", "energy_per_sample", "weight_gradient"})
SMALL = frozenset({"energy", "grad_norm"})
NETWORK = {
    "W_0": np.arange(20.0).reshape(4, 5),
    "b_0": np.zeros(5),
    "W_1": np.ones((5, 5)),
    "W_2": np.ones((5, 3)),
}
DATA = {"x": np.ones((SAMPLES, 4)), "y": np.zeros((SAMPLES, 3))}
PROVENANCE = {"scenario": 'title = "εnergy"\n' * 9000, "command": "pcsim run"}
TRAINING = Training(updates=None, epochs=None)
ATTRIBUTES: dict[str, str | int | float] = {"backend": "numpy", "precision": "float64", "device": "cpu", "seed": 7}


def layout(record: frozenset[str] = SMALL, rows: int | None = None, **changes: Any) -> Layout:
    values: dict[str, Any] = {
        "clock": "step",
        "layer_names": ("layer 0", "layer 1", "output"),
        "unit_shapes": UNITS,
        "input_shape": (4,),
        "samples": SAMPLES,
        "record": record,
        "dtype": np.dtype(np.float32),
        "rows": rows,
    }
    return Layout(**(values | changes))


def block(start: int, count: int, record: frozenset[str] = SMALL, layers: int = len(UNITS)) -> Block:
    """Rows start … start + count − 1; every number of row t is t."""
    steps = np.arange(start, start + count)

    def rows(*shape: int) -> NDArray[Any]:
        return np.broadcast_to(steps.reshape(-1, *(1 for _ in shape)), (count, *shape)).astype(np.float64)

    each = [rows(SAMPLES, *units).astype(np.float32) for units in UNITS]
    return Block(
        clock=steps,
        energy=rows(layers) if "energy" in record else None,
        grad_norm=rows(layers) if "grad_norm" in record else None,
        energy_per_sample=rows(layers, SAMPLES) if "energy_per_sample" in record else None,
        states=tuple(each[:-1]) if "states" in record else None,
        errors=tuple(each) if "errors" in record else None,
    )


def update_block(first: int, count: int, layers: int = len(UNITS)) -> UpdateBlock:
    """Updates first … first + count − 1; every number of update u is u."""
    numbers = np.arange(first, first + count)
    energy = np.repeat(numbers[:, None], layers, axis=1).astype(np.float64)
    return UpdateBlock(update=numbers, energy=energy, loss=numbers.astype(np.float64))


def epoch_block(first: int, count: int, layers: int = len(UNITS)) -> EpochBlock:
    """Epochs first … first + count − 1; every number of epoch e is e; the test split was not measured."""
    numbers = np.arange(first, first + count)
    same = numbers.astype(np.float64)
    return EpochBlock(
        epoch=numbers,
        update_ratio=np.repeat(same[:, None], layers, axis=1),
        train_loss=same,
        train_accuracy=same,
        learning_rate=same,
        wall_seconds=same,
        validation_loss=same,
        validation_accuracy=same,
    )


def append_epoch(writer: TraceWriter, updates: int) -> None:
    """Append so many updates and the epoch they make."""
    writer.append_updates(update_block(writer.updates + 1, updates))
    writer.append_epochs(epoch_block(writer.epochs + 1, 1))


def create(path: Path | None, of: Layout | None = None, *, force: bool = False) -> TraceWriter:
    return TraceWriter.create(path, beginning(of or layout()), force=force)


def beginning(of: Layout, **changes: Any) -> Beginning:
    return replace(Beginning(of, ATTRIBUTES, NETWORK, DATA, PROVENANCE), **changes)


def final() -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {
        "arrival_step": np.array([2, 1, 0]),
        "final/output": np.full((SAMPLES, 3), 0.5),
    }
    for i, units in enumerate(UNITS):
        if i < len(UNITS) - 1:
            arrays[f"final/states/layer_{i}"] = np.full((SAMPLES, *units), float(i))
        arrays[f"final/errors/layer_{i}"] = np.full((SAMPLES, *units), -float(i))
    return arrays | {f"final/gradient/{name}": 2 * value for name, value in NETWORK.items()}


def described(file: Any) -> dict[str, Any]:
    """Everything about the objects of a file but their numbers."""
    found: dict[str, Any] = {}

    def look(name: str, item: Any) -> None:
        bound = {"DIMENSION_LIST", "REFERENCE_LIST", "CLASS", "NAME"}
        found[name] = {k: v for k, v in item.attrs.items() if k not in bound}
        if isinstance(item, h5py.Dataset):
            scales = [[scale.name for scale in dimension.values()] for dimension in item.dims]
            found[name] |= {"dtype": item.dtype, "row": item.shape[1:], "scales": scales}
            found[name]["scale"] = item.attrs.get("NAME") if item.is_scale else None

    file.visititems(look)
    return found


def cannot_reserve(descriptor: int, upto: int) -> bool:
    """Stand in for `reserve` on a file system that cannot."""
    return False


def start_child(mode: str, *arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.support.trace_child", mode, *map(str, arguments)]
    root, pipe = ROOT, subprocess.PIPE
    return subprocess.Popen(command, cwd=root, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def lines_until(stream: IO[str] | None, word: str) -> list[str]:
    """Read lines up to the one that starts with `word`."""
    assert stream is not None
    found: list[str] = []
    for line in stream:
        found.append(line.strip())
        if line.startswith(word):
            return found
    raise AssertionError(f"no line {word!r} in {found}")


@contextmanager
def child(mode: str, *arguments: str | Path) -> Generator[subprocess.Popen[str]]:
    process = start_child(mode, *arguments)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def killed_trace(path: Path, rows: int, seconds: float, mode: str = "write") -> int:
    """Write a trace in another process, kill it and return how many rows it said were safe."""
    with child(mode, path, str(rows)) as process:
        said = lines_until(process.stdout, "safe")
        time.sleep(seconds)
        process.kill()
        assert process.stdout is not None
        said += process.stdout.read().splitlines(keepends=True)
    whole = [line for line in said if line.startswith("safe")][: -1 if not said[-1].endswith("\n") else None]
    return int((whole or said)[-1].split()[1])
