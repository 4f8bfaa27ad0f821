"""What there are kernels for, and what is said of the rest before anything starts."""

from pcsim.engine.lowering import Kernels, lowered, lowered_method, lowered_stepper
from pcsim.inference import Inference, unhalved
from pcsim.inference.steppers import Stepper
from pcsim.model.layers import read_as_dense
from pcsim.model.network import Network

KERNELS = Kernels("numba", 'use backend = "jax" or "numpy"', clips=True)


def check(inference: Inference, stepper: Stepper) -> None:
    """Raise `UsageError` for inference without kernels."""
    lowered_method(KERNELS, unhalved(inference))
    if is_dense(inference.energy.network):
        lowered_stepper(KERNELS, stepper)
        lowered(KERNELS, inference.energy)


def is_dense(network: Network) -> bool:
    """Tell whether whole runs of a network are compiled; others take their steps in Python, layers in kernels."""
    return all(read_as_dense(layer) is not None for layer in network.layers)
