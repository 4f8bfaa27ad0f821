"""A free output: inference on the network that has its output as one more state."""

from dataclasses import replace

from pcsim.inference.base import Inference
from pcsim.model.losses import NoTarget


def with_free_output(inference: Inference) -> Inference:
    """Return the same method on the energy with a free output and no loss: its last variable is that of the output.

    Parameters have none for the new last layer, whose output that state is; a top-down prediction moves it.
    """
    energy = inference.energy
    network, precisions = energy.network.with_free_output(), (*energy.precisions, 1.0)
    decays = (*energy.decays, 0.0)
    return inference.with_energy(
        replace(energy, network=network, loss=NoTarget(), precisions=precisions, decays=decays)
    )
