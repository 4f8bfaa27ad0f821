"""Write data/digits.npz from scikit-learn's copy of the UCI digits, with a fixed stratified split.

Run from anywhere in an environment with scikit-learn: `python tools/data/make_digits.py [FILE]`.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

SEED = 0
TEST_PER_CLASS = 36
DEFAULT_FILE = Path(__file__).resolve().parents[2] / "data" / "digits.npz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=DEFAULT_FILE)
    file: Path = parser.parse_args().file

    pixels, labels = load_digits(return_X_y=True)
    images = np.asarray(pixels).reshape(-1, 8, 8).astype(np.uint8)
    labels = np.asarray(labels).astype(np.uint8)
    rng = np.random.default_rng(SEED)
    test = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        test[rng.choice(np.flatnonzero(labels == digit), TEST_PER_CLASS, replace=False)] = True
    np.savez_compressed(file, x_train=images[~test], y_train=labels[~test], x_test=images[test], y_test=labels[test])
    print(f"{file}: {np.count_nonzero(~test)} training and {np.count_nonzero(test)} test images")


if __name__ == "__main__":
    main()
