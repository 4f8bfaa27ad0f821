"""Output losses of a sample: the value, summed in float64, and the output error −∂ℓ/∂ŷ."""

# Numba infers the types of what it compiles.
# pyright: basic

import math

import numpy as np

from pcsim.engine.lowering import BINARY, CROSS_ENTROPY
from pcsim_numba.kernels.activations import sigmoid
from pcsim_numba.kernels.compiled import part, stay_apart
from pcsim_numba.kernels.elementary import exp_down
from pcsim_numba.kernels.rows import sum_of_squares


@part
def output_loss(loss, share, outputs, target, errors):
    """Return the loss of a sample's outputs and targets, and write the errors."""
    stay_apart()
    if loss == CROSS_ENTROPY:
        return _cross_entropy(outputs, target, errors)
    if loss == BINARY:
        return _binary_cross_entropy(outputs, target, errors)
    for k in range(len(outputs)):
        errors[k] = target[k] - outputs[k]
    value = 0.5 * share * sum_of_squares(errors)
    if share != 1.0:
        left = errors.dtype.type(share)
        for k in range(len(errors)):
            errors[k] *= left
    return value


@part
def _cross_entropy(outputs, target, errors):
    top = outputs[0]
    for k in range(1, len(outputs)):
        # What is no number stays on top, and makes the loss none.
        if not outputs[k] <= top:
            top = outputs[k]
    total, labels = outputs.dtype.type(0), outputs.dtype.type(0)
    wide_total = 0.0
    for k in range(len(outputs)):
        raised = exp_down(outputs[k] - top)
        errors[k] = raised
        total += raised
        labels += target[k]
        wide_total += math.exp(np.float64(outputs[k]) - np.float64(top))
    log_norm, value = math.log(wide_total), 0.0
    for k in range(len(outputs)):
        value += np.float64(target[k]) * (log_norm - (np.float64(outputs[k]) - np.float64(top)))
        errors[k] = target[k] - labels * (errors[k] / total)
    return value


@part
def _binary_cross_entropy(outputs, target, errors):
    value = 0.0
    for k in range(len(outputs)):
        logit = np.float64(outputs[k])
        softplus = max(logit, 0.0) + math.log1p(math.exp(-abs(logit)))
        value += softplus - np.float64(target[k]) * logit
        errors[k] = target[k] - sigmoid(outputs[k])[0]
    return value
