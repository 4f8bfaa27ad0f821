"""The update that inference makes of one sample under Theorem 1 of Alonso et al. (2024), and under the usual energy."""

from typing import Any

import numpy as np

from pcsim.landscape.implicit import SampleLoss, Vector


def inferred_step(sample: SampleLoss, beta: float, *, steps: int, step_size: float) -> Vector:
    """Return Δθ of inference whose γ are renewed at every step as Theorem 1 says, by simultaneous gradient descent.

    With rates α_l = ‖φ(h_l)‖⁻², static: γ_l = α_l² ‖φ(ŝ_l)‖² and a decay α² ‖ε‖² of the layer above, and an output
    state (y + γ p)/(1 + γ) with γ = α (1/β + ‖φ‖²) − 1. A layer's step size is in units of its inverse curvature,
    at most γ_l + γ_{l+1} ‖W‖²: precisions of the layers differ by orders of magnitude, and all must come to rest.
    """
    matrices, alphas = sample.layout.split(sample.start), rates(sample)
    states = _feedforward(sample, matrices)
    norms = [float(np.linalg.norm(matrix, 2)) ** 2 for matrix in matrices]
    for _ in range(steps):
        below, saved = _activities(sample, states)
        errors = _errors(sample, states, below, matrices)
        errors[-1] = _soft(sample, beta, alphas[-1], below[-1], matrices[-1])
        gammas = [a**2 * _square(b) for a, b in zip(alphas, below, strict=True)]
        for i in range(len(states) - 1):
            decay = alphas[i + 1] ** 2 * _square(errors[i + 1])
            above = gammas[i + 1] * errors[i + 1] @ matrices[i + 1].T - decay * below[i + 1]
            pulled = sample.chain[i + 1].activation.pullback(sample.xp, saved[i + 1], above)
            pace = step_size / (gammas[i] + gammas[i + 1] * norms[i + 1])
            states[i + 1] = states[i + 1] - pace * (gammas[i] * errors[i] - pulled)
    below, _ = _activities(sample, states)
    errors = _errors(sample, states, below, matrices)
    errors[-1] = _soft(sample, beta, alphas[-1], below[-1], matrices[-1])
    return _update(alphas, errors, below)


def usual_step(sample: SampleLoss, *, steps: int, step_size: float) -> Vector:
    """Return Δθ of inference with γ = 1, no decay and a clamped output, at the same rates."""
    matrices, alphas = sample.layout.split(sample.start), rates(sample)
    states = _feedforward(sample, matrices)
    for _ in range(steps):
        below, saved = _activities(sample, states)
        errors = _errors(sample, states, below, matrices)
        for i in range(len(states) - 1):
            pulled = sample.chain[i + 1].activation.pullback(sample.xp, saved[i + 1], errors[i + 1] @ matrices[i + 1].T)
            states[i + 1] = states[i + 1] - step_size * (errors[i] - pulled)
    below, _ = _activities(sample, states)
    return _update(alphas, _errors(sample, states, below, matrices), below)


def rates(sample: SampleLoss) -> list[float]:
    """Return the rates α_l = ‖φ(h_l)‖⁻² of the feedforward pass: with them an update removes its own error."""
    states = _feedforward(sample, sample.layout.split(sample.start))
    return [1.0 / max(_square(b), 1e-12) for b in _activities(sample, states)[0]]


def _feedforward(sample: SampleLoss, matrices: Any) -> list[Any]:
    """Return x and the hidden states."""
    states: list[Any] = [sample.x]
    for layer, matrix in zip(sample.chain[:-1], matrices, strict=False):
        states.append(layer.activation.forward(sample.xp, states[-1])[0] @ matrix)
    return states


def _activities(sample: SampleLoss, states: list[Any]) -> tuple[list[Any], list[Any]]:
    pairs = [layer.activation.forward(sample.xp, state) for layer, state in zip(sample.chain, states, strict=True)]
    return [value for value, _ in pairs], [saved for _, saved in pairs]


def _errors(sample: SampleLoss, states: list[Any], below: list[Any], matrices: Any) -> list[Any]:
    predictions = [b @ matrix for b, matrix in zip(below, matrices, strict=True)]
    hidden = [state - predicted for state, predicted in zip(states[1:], predictions, strict=False)]
    return [*hidden, sample.loss.error(sample.xp, predictions[-1], sample.y)]


def _soft(sample: SampleLoss, beta: float, alpha: float, below: Any, matrix: Any) -> Any:
    """Return the output's error s − p at the state (y + γ p)/(1 + γ), which is (y − p)/(1 + γ)."""
    return (sample.y - below @ matrix) / (alpha * (1.0 / beta + _square(below)))


def _update(alphas: list[float], errors: list[Any], below: list[Any]) -> Vector:
    parts = [a * np.outer(b[0], e[0]) for a, b, e in zip(alphas, below, errors, strict=True)]
    return np.concatenate([np.ravel(part) for part in parts])


def _square(row: Any) -> float:
    return float(np.sum(np.square(row)))
