"""From a scenario's words to how the pixels of its data set are scaled."""

from dataclasses import replace

import numpy as np

from pcsim.assemble.roles import named
from pcsim.datasets import Dataset, PixelScaling, require_range, standardised
from pcsim.errors import UsageError
from pcsim.learning.samples import learned_rows
from pcsim.scenario import ChannelScaling, Scenario

STANDARD = {
    "cifar-10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "cifar-100": ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
}
"""Mean and deviation by which everybody standardises these sets (EO paper, Table D.8); CIFAR-10's deviations are
means of those of single images."""


def with_scaling(scenario: Scenario, dataset: Dataset) -> Dataset:
    """Return the data set, scaled as the scenario says.

    Raises `UsageError` for pixels beyond 0 … 1 that are no bytes, another number of channels than there are, a channel
    that is constant, and numbers that become infinite in the precision of the run.
    """
    words = scenario.data.scaling
    if words is None:
        return dataset
    with named(scenario, "data.scaling"):
        peak = _white(dataset)
        if isinstance(words, ChannelScaling):
            scaling = PixelScaling(peak, words.mean, words.std)
        elif words == "standard":
            scaling = PixelScaling(peak, *(STANDARD.get(dataset.name) or _standard(scenario, dataset, peak)))
        else:
            scaling = PixelScaling(peak) if words == "symmetric" else PixelScaling(peak, (0.0,), (1.0,))
        if len(scaling.mean) not in {1, dataset.channels}:
            raise UsageError(
                f"mean and std of {len(scaling.mean)} channels, but a sample of the data '{dataset.name}' has shape "
                f"{dataset.sample_shape} and {dataset.channels} of them; write {dataset.channels} of each"
            )
        ends = scaling(np.array([[0.0] * dataset.channels, [peak] * dataset.channels]))
        require_range(ends, scenario.backend.precision_name, f"{dataset.source}: black and white, scaled,")
    return replace(dataset, scaling=scaling)


def _white(dataset: Dataset) -> float:
    """Return the largest value of a pixel: what the set scales by, 255 of bytes, 1 of other numbers."""
    if isinstance(dataset.scaling, PixelScaling):
        return dataset.scaling.peak
    for part in (dataset.inputs, dataset.inputs_test):
        if part is not None and part.dtype == np.uint8:
            return 255.0
        if part is not None and not 0.0 <= part.min() <= part.max() <= 1.0:
            raise UsageError(
                f"samples run from {part.min():g} to {part.max():g}; pixels are bytes (uint8), or numbers from 0 to 1: "
                "store them so, or leave scaling out"
            )
    return 1.0


def _standard(scenario: Scenario, dataset: Dataset, peak: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of every channel of the samples that are learned from."""
    count = len(dataset) if scenario.data.samples is None else min(scenario.data.samples, len(dataset))
    chosen = dataset.inputs[learned_rows(count, scenario.data.validation, scenario.split_seed)]
    mean, std = standardised(chosen, peak, dataset.channels)
    if not std.all():
        raise UsageError(
            f"channel {int(np.argmin(std))} is the same in all {len(chosen)} samples that are learned from, and has no "
            'deviation to divide by; use "symmetric" or "unit"'
        )
    return tuple(mean.tolist()), tuple(std.tolist())
