"""One compiled step of training: inference on a batch, and the weight gradient at its end.

The parameters stay on the device; what becomes of the gradient is the learner's business.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pcsim.inference import Inference
from pcsim.inference.steppers import Stepper
from pcsim.model.arrays import Array, Parameters
from pcsim_jax import program
from pcsim_jax.arrays import namespace
from pcsim_jax.compiled import Compiler
from pcsim_jax.number.pinned import with_pinned_predictions
from pcsim_jax.program import Program


class GradientStep(NamedTuple):
    """Where inference on one batch ended, on the device.

    `gradient` is the batch mean of ∂E/∂θ by layer and name in the type of the run, `layerwise` the energies (layers,
    batch) in float64, `has_signal` (layers,) says which layers have a non-zero error, and so learn anything.
    """

    gradient: tuple[Parameters, ...]
    layerwise: Array
    has_signal: Array


def gradient_step(
    inference: Inference, stepper: Stepper, precision: str
) -> Callable[[tuple[Parameters, ...], Array, Array, int], GradientStep]:
    """Return a function (parameters, x, y, steps) → `GradientStep`, compiled once for all numbers of steps.

    Its arrays are those of `pcsim_jax.arrays.to_run`: x is (batch, n_in), y (batch, n_out).
    """
    record = frozenset({"weight_gradient"})
    compiled = Program(namespace(precision), with_pinned_predictions(inference), stepper, None, record, 1)
    compiler = Compiler()

    def step(parameters: tuple[Parameters, ...], x: Array, y: Array, steps: int) -> GradientStep:
        return compiler.call(_infer_and_differentiate, compiled, parameters, x, y, np.int64(steps))

    return step


def _infer_and_differentiate(
    compiled: Program, parameters: tuple[Parameters, ...], x: Array, y: Array, steps: Array
) -> GradientStep:
    inference, xp = compiled.inference, compiled.xp
    clamped = inference.clamp(xp, parameters, x, y)

    def one_step(i: Array, carry: Array) -> Array:
        point = inference.evaluate(xp, clamped, carry)
        return inference.advance(xp, clamped, point, carry, compiled.stepper, program.number(i + 1))

    carry = jax.lax.fori_loop(0, steps, one_step, inference.begin(xp, clamped, None, compiled.stepper))
    point = inference.evaluate(xp, clamped, carry)
    return GradientStep(
        inference.energy.parameter_gradient(xp, clamped, point),
        inference.energy.layerwise(xp, clamped, point),
        jnp.stack([xp.any(error) for error in point.errors]),
    )
