"""What every data set is once loaded, and the batch a single inference run takes from it."""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from jaxtyping import Float64, Int64, Shaped

from pcsim.datasets.scaling import PixelScaling, Scaling, unscaled
from pcsim.errors import UsageError

DEFAULT_BATCH = 64

Labels: TypeAlias = Int64[np.ndarray, " samples"]
Targets: TypeAlias = Float64[np.ndarray, " samples"] | Float64[np.ndarray, "samples outputs"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples with their labels or targets; inputs stay as stored (bytes, for images) until asked for.

    `inputs` has shape (samples, *sample_shape); `y` holds int64 labels (samples,), float64 values (samples,)
    or float64 targets (samples, outputs). `source` says in one line where the data came from.
    """

    name: str
    inputs: Shaped[np.ndarray, "samples *shape"]
    y: Labels | Targets
    inputs_test: Shaped[np.ndarray, "tests *shape"] | None
    y_test: Int64[np.ndarray, " tests"] | Float64[np.ndarray, "tests *outputs"] | None
    source: str
    scaling: Scaling = unscaled

    def __len__(self) -> int:
        """Return the number of training samples."""
        return len(self.inputs)

    @property
    def parts(self) -> dict[str, Shaped[np.ndarray, "..."]]:
        """Everything that was read, as it is stored: `x` and `y`, and `x_test` and `y_test` where there are any."""
        found = {"x": self.inputs, "y": self.y, "x_test": self.inputs_test, "y_test": self.y_test}
        return {name: values for name, values in found.items() if values is not None}

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of one input; a dense network flattens it."""
        return self.inputs.shape[1:]

    @property
    def channels(self) -> int:
        """How many channels an image has; 1 of everything else."""
        return self.sample_shape[2] if len(self.sample_shape) == 3 else 1

    @cached_property
    def two_labels(self) -> tuple[float, float] | None:
        """The two labels that every sample has one of, 0 and 1 or −1 and 1; None where there are others.

        Decided on all samples, those to test on included. One alone of the two counts where labels are integers.
        """
        every = [y.ravel() for y in (self.y, self.y_test) if y is not None and y.size == len(y)]
        if not every or any(y is not None and y.size != len(y) for y in (self.y, self.y_test)):
            return None
        for low in (0.0, -1.0):
            fits = all(bool(((y == low) | (y == 1)).all()) for y in every)
            has_both = all(any(bool((y == value).any()) for y in every) for value in (low, 1.0))
            if fits and (has_both or self.y.dtype.kind != "f"):
                return (low, 1.0)
        return None

    @property
    def levels(self) -> Float64[np.ndarray, "256 channels"]:
        """What the 256 bytes become, in a column for all pixels, or one a channel where these are scaled apart."""
        columns = len(self.scaling.mean) if isinstance(self.scaling, PixelScaling) else 1
        return self.scaling(np.repeat(np.arange(256)[:, np.newaxis], columns, axis=1))

    @cached_property
    def x(self) -> Float64[np.ndarray, "samples *shape"]:
        """All training inputs, scaled: shape (samples, *sample_shape)."""
        return self.scaling(self.inputs)

    @cached_property
    def x_test(self) -> Float64[np.ndarray, "tests *shape"] | None:
        """All test inputs, scaled, or None where the data set has none."""
        return None if self.inputs_test is None else self.scaling(self.inputs_test)

    def rows(self, index: slice | Int64[np.ndarray, " rows"]) -> Float64[np.ndarray, "rows *shape"]:
        """Return the chosen training inputs, scaled, without converting the others."""
        return self.scaling(self.inputs[index])


def first_batch(
    dataset: Dataset, batch: int | None, shuffle_seed: int | None
) -> tuple[Float64[np.ndarray, "samples *shape"], Labels | Targets]:
    """Return the first `batch` samples: inputs, scaled, and labels or targets.

    First is in file order, or after a shuffle drawn from `shuffle_seed`; `batch` None takes 64, or all where
    there are fewer. Raises UsageError for a batch below 1 or larger than the data set.
    """
    size = len(dataset)
    wanted = min(DEFAULT_BATCH, size) if batch is None else batch
    if not 1 <= wanted <= size:
        raise UsageError(
            f"a batch of {wanted} asked for, but the data set '{dataset.name}' has {size} samples; use 1 to {size}"
        )
    if shuffle_seed is None:
        index = np.arange(wanted)
    else:
        index = np.random.default_rng(shuffle_seed).permutation(size)[:wanted]
    return dataset.rows(index), dataset.y[index]
