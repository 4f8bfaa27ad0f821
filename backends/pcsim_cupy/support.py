"""What there are kernels for, and what is said of the rest before anything starts."""

from pcsim.engine.lowering import Kernels, lowered, lowered_method, lowered_stepper
from pcsim.errors import UsageError
from pcsim.inference import Inference
from pcsim.inference.steppers import Stepper
from pcsim.model.arithmetic import hardware_rounding

KERNELS = Kernels("cupy", 'use backend = "jax" or "numpy"')
HALVING = KERNELS.without("inference.step_halving")
ROUNDING = hardware_rounding("cupy")


def check(inference: Inference, stepper: Stepper) -> None:
    """Raise `UsageError` for inference without kernels."""
    if inference.traits.halves_steps:
        raise UsageError(HALVING)
    lowered_method(KERNELS, inference)
    lowered_stepper(KERNELS, stepper)
    lowered(KERNELS, inference.energy)
