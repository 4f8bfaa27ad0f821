"""What a network that predicts both ways can do, by the weight of its top-down terms.

`python -m tools.studies.both_ways` prints it. Two hidden layers of 128 on the digits, 10 epochs; of the test images:
accuracy of the bottom-up pass, of the output inferred from it, and of the output inferred beside the lower half of
images of which only the upper is seen; how far that half, and images inferred from labels, are from the images and from
the mean of their class (root mean squares; the mean of all training images is as far from them as the last line says).
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

import pcsim
from pcsim.datasets import load_dataset
from tools.studies.pages import table

WEIGHTS = (0.0, 0.01, 0.1, 1.0)
SEEDS = (0, 1, 2)
TEXT = """
[network]
widths = [64, 128, 128, 10]
activation = "gelu"
init = "orthogonal"

[data]
name = "digits"
batch = 360
split = "test"

[inference]
method = "bidirectional"
loss = "squared-error"
steps = 20
step_size = 0.1
"""
LEARNING = """
[learning]
epochs = 10
batch = 64
schedule = { kind = "cosine" }
"""
LONG = ("inference.steps=3000", "inference.optimizer=momentum")
"""An input with little weight on its prediction takes long to come to rest."""
HALF = ("inference.input=masked", "data.mask=bottom", "inference.output=free", *LONG)
COLUMNS = ("bottom-up pass", "output inferred", "lower half hidden", "hidden half", "image of a label")


def measured(weight: float, seed: int, folder: Path) -> NDArray[np.float64]:
    """Return the measures of `COLUMNS` of a network that was trained with a weight of the top-down terms."""
    data, path = load_dataset("digits"), folder / f"{weight}-{seed}.h5"
    if data.y_test is None:
        raise AssertionError("the digits have test images")
    labels = data.y_test
    images = data.scaling(data.inputs).reshape(-1, 64)
    means = np.stack([images[data.y == k].mean(axis=0) for k in range(10)])
    words = (f"inference.top_down={weight}", f"seed={seed}")
    with pcsim.run(TEXT + LEARNING, words, path=path) as trace:
        inferred = trace.training["test_accuracy"][-1]
    words = (*words, f'network.weights="{path}"')
    with pcsim.run(TEXT, (*words, "inference.output=free", "inference.steps=0")) as trace:
        forward = (trace.final_output.argmax(axis=1) == labels).mean()
    with pcsim.run(TEXT, (*words, *HALF)) as trace:
        hidden = trace.array("data/mask").astype(bool)
        half = (trace.final_output.argmax(axis=1) == labels).mean()
        off = (trace.array("final/input") - trace.array("data/truth"))[:, hidden]
        guess = (trace.array("data/mean") - trace.array("data/truth"))[:, hidden]
    with pcsim.run(TEXT, (*words, "inference.input=free", *LONG)) as trace:
        image = trace.array("final/input") - means[labels]
    known = images.mean(axis=0) - means[labels]
    return np.array([forward, inferred, half, *(np.sqrt((each**2).mean()) for each in (off, image, guess, known))])


def main() -> None:
    """Print the table, means over the seeds and their standard deviations."""
    rows, guesses = list[list[str]](), list[str]()
    with TemporaryDirectory() as folder:
        for weight in WEIGHTS:
            found = np.stack([measured(weight, seed, Path(folder)) for seed in SEEDS])
            pairs = list(zip(found.mean(axis=0), found.std(axis=0, ddof=1), strict=True))
            shown = [f"{100 * mean:.1f} ± {100 * off:.1f} %" for mean, off in pairs[:3]]
            rows.append([f"{weight:g}", *shown, *(f"{mean:.3f} ± {off:.3f}" for mean, off in pairs[3:5])])
            print(rows[-1], flush=True)
            guesses = [f"{mean:.3f}" for mean, _ in pairs[5:]]
    print(table(["α", *COLUMNS], [*rows, ["mean image", "", "", "", *guesses]]))


if __name__ == "__main__":
    main()
