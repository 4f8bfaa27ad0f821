"""What runs under AddressSanitizer: every method on kernels compiled with it, and last a kernel sent out of bounds."""

import sys
from typing import Any

from pcsim_cupy.kernels import CARRIED
from pcsim_cupy.kernels.running_batch import RunningBatch
from pcsim_cupy.kernels.storage import STORAGES

from pcsim.inference import StateOptimization
from pcsim.inference.steppers import Adam, GradientDescent
from pcsim.trace import Block
from tests.shim.device import CpuCupyBackend, CpuDevice
from tests.support.cases import KERNEL_METHODS, make_case, make_task

RECORD = ("energy", "grad_norm", "states", "errors", "weight_gradient")
NETWORKS: tuple[dict[str, Any], ...] = (
    {"loss": "cross-entropy"},
    {"activation_first": True, "mupc": True, "skip": 2, "precisions": True, "decays": True},
)


def run_all() -> None:
    backend = CpuCupyBackend(threads=4)
    for precision in ("float64", "bfloat16"):
        for options in NETWORKS:
            widths = (3, 7, 7, 7, 7, 2) if "skip" in options else (3, 7, 7, 7, 9, 2)
            case = make_case("gelu", widths=widths, batch=3, **options)
            for method, inference in KERNEL_METHODS.items():
                steps = 1 if method == "backprop" else 3
                stepper = Adam(0.01, eps=1e-4)
                task = make_task(
                    case, inference(case.energy), stepper=stepper, steps=steps, precision=precision, record=RECORD
                )
                blocks: list[Block] = []
                assert backend.settle(task, blocks.append, lambda clock: False).failure is None


def step_out_of_bounds() -> None:
    case = make_case("tanh")
    device = CpuDevice(STORAGES["float64"])
    with device.active():
        samples = RunningBatch(device, StateOptimization(case.energy), GradientDescent(0.1), 4)
        device.launch("look", (5, samples.plan.count), 8, samples.buffers.net, 0, CARRIED)


if __name__ == "__main__":
    run_all()
    print("every method ran", flush=True)
    step_out_of_bounds()
    sys.exit("AddressSanitizer saw nothing")
