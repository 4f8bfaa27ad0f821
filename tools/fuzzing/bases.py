"""Whole inputs that mutations start from: scenarios, traces, a killed one, weights, checkpoints and data."""

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
from scipy.io import savemat

SCENARIO = """\
title = "small"
seed = 1

[network]
widths = [4, 6, 3]
activation = "tanh"
init = "xavier"

[data]
name = "npz"
file = "data.npz"
batch = 4

[inference]
method = "state"
loss = "cross-entropy"
steps = 5
step_size = 0.1
stop = { grad_norm = 1e-6 }

[trace]
record = ["energy", "grad_norm", "states", "errors"]
"""
LEARNING = """
[learning]
optimizer = "adam"
lr = 0.01
epochs = 2
batch = 4
"""
STUDY = """
[sweep]
inference.step_size = [0.1, 0.2]
"""
FLOW = SCENARIO.replace("steps = 5\nstep_size = 0.1\nstop = { grad_norm = 1e-6 }", 'solver = "dopri5"\nt_end = 1.0')
IMAGES = SCENARIO.replace("[4,", "[784,").replace(", 3]", ", 10]").replace("npz", "mnist", 1).replace("data.npz", "idx")
PHOTOS = SCENARIO.replace("[4,", "[3072,").replace(", 3]", ", 10]")
SINGLE_FILES = {"cifar-10": "data_batch_1.bin", "svhn": "train_32x32.mat"}
"""Of photographs, by data set."""


def make_bases(folder: Path) -> None:
    """Make them in a folder, by pcsim itself."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(0)
    np.savez(folder / "data.npz", x=draw.normal(size=(12, 4)), y=np.arange(12) % 3)
    texts = {"s": SCENARIO, "train": SCENARIO + LEARNING, "study": SCENARIO + STUDY, "flow": FLOW, "images": IMAGES}
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text)
    (folder / "child.toml").write_text('extends = "s.toml"\n[inference]\nsteps = 3\n')
    _make_images(folder / "idx", draw)
    for name, file in SINGLE_FILES.items():
        text = PHOTOS.replace("npz", name, 1).replace("data.npz", file)
        (folder / f"{name}.toml").write_text(text)
    photos, labels = draw.integers(0, 256, (12, 3072), dtype=np.uint8), (np.arange(12, dtype=np.uint8) % 10)[:, None]
    np.concatenate([labels, photos], axis=1).tofile(folder / SINGLE_FILES["cifar-10"])
    arrays = {"X": photos.T.reshape(32, 32, 3, 12), "y": labels}
    savemat(folder / SINGLE_FILES["svhn"], arrays, do_compression=True)
    subprocess.run([sys.executable, "-c", _TRACES], cwd=folder, check=True)


def _make_images(folder: Path, draw: np.random.Generator) -> None:
    folder.mkdir()
    for part, count in (("train", 12), ("t10k", 4)):
        images = draw.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for name, array in (("images", images), ("labels", labels)):
            head = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
            (folder / f"{part}-{name}-idx{array.ndim}-ubyte").write_bytes(head + array.tobytes())


# In a process of its own: a killed trace names a writer that is gone.
_TRACES = """
import shutil
from pathlib import Path
import pcsim
from pcsim.errors import Interrupted
from pcsim.recorded.export import export_weights

def run(name, path, progress=None):
    return pcsim.run(pcsim.read_scenario(name), path=path, progress=progress)

def keep(clock, end):
    if Path("again.h5.journal").exists() and not Path("killed.h5").exists():
        shutil.copy("again.h5", "killed.h5")
        shutil.copy("again.h5.journal", "killed.h5.journal")

def stop(clock, end):
    if clock >= 4:
        raise KeyboardInterrupt

run("s.toml", "s.h5").close()
run("flow.toml", "flow.h5").close()
run("study.toml", "study.h5").close()
run("train.toml", "again.h5", keep).close()
try:
    run("train.toml", "broken.h5", stop)
except (Interrupted, KeyboardInterrupt):
    pass
with run("train.toml", "train.h5") as trace:
    export_weights(trace, "w.npz")
    export_weights(trace, "w.safetensors")
"""
