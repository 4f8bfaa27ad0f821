"""How much memory a run takes on the device, and what is said where there is less."""

from pcsim.engine.lowering import Motion
from pcsim.errors import UsageError
from pcsim_cupy.kernels.buffers import Form, capacity, moving, unit_sizes
from pcsim_cupy.kernels.plan import Plan
from pcsim_cupy.kernels.storage import Storage

SAVED = 2
"""Where a run stood at the beginning of the last stretches of steps is kept, to go back to."""
COPIES_OF_WEIGHTS = 8
MiB = 2**20


def needed(plan: Plan, batch: int, form: Form, motion: Motion, storage: Storage) -> int:
    """Return the bytes of all arrays of a run."""
    sizes = unit_sizes(plan, form, motion)
    units = sum(sizes.values()) + SAVED * sum(sizes.get(name, plan.widths[-1]) for name in moving(plan, form))
    ends = plan.input_width + 3 * plan.widths[-1]
    numbers = batch * (units + ends) + plan.weights + plan.biases
    return storage.dtype.itemsize * numbers + 17 * capacity(plan, batch) * plan.count * batch


def needed_to_train(plan: Plan, samples: int, storage: Storage) -> int:
    """Return the bytes of all training samples and, about, of weights with gradients, memory and new ones."""
    numbers = samples * (plan.input_width + plan.widths[-1]) + COPIES_OF_WEIGHTS * (plan.weights + plan.biases)
    return storage.dtype.itemsize * numbers


def check_fits(bytes_needed: int, free: int) -> None:
    """Raise `UsageError` where a run needs more memory than the device has free."""
    if bytes_needed > free:
        raise UsageError(
            f"the run needs about {bytes_needed // MiB} MiB of device memory, {free // MiB} MiB are free; use a "
            "smaller data.batch, a narrower precision, or a device with more memory"
        )
