"""Traces of training runs whose every number is that of its update or epoch."""

from pathlib import Path

import numpy as np

from pcsim.trace import Trace, Training
from pcsim.trace.training import MEASURES
from tests.support.trace_samples import NETWORK, TRAINING, append_epoch, block, create, final, layout

TRAINED = layout(training=TRAINING)
GROWING = (*MEASURES, "update_ratio")


def trained(path: Path | None, epochs: int = 3, validation: bool = False) -> Trace:
    """Five updates an epoch, and two rows of inference after them."""
    writer = create(path, layout(training=Training(updates=None, epochs=None, validation=validation)))
    for _ in range(epochs):
        append_epoch(writer, 5)
    writer.append(block(0, 2))
    return writer.finish("complete", {}, final() | {f"final/network/{k}": v for k, v in NETWORK.items()})


def assert_trained(trace: Trace, updates: int, epochs: int) -> None:
    """Every number is that of its update or epoch, and no row is missing."""
    numbers = np.arange(1, updates + 1)
    assert trace.training["update"].tolist() == trace.training["loss"].tolist() == numbers.tolist()
    np.testing.assert_array_equal(trace.training["energy"], np.repeat(numbers[:, None], 3, axis=1))
    for name in ("epoch", "train_loss", "train_accuracy", "learning_rate", "wall_seconds"):
        assert trace.training[name].tolist() == list(range(1, epochs + 1)), name
    assert trace.training["test_loss"].shape == (epochs,)
    assert np.isnan(trace.training["test_loss"]).all()
