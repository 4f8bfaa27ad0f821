"""Cross-entropies of logits: one class of many, or one label a unit."""

from dataclasses import dataclass

from pcsim.model.activations import Sigmoid, sigmoid
from pcsim.model.arrays import Namespace
from pcsim.model.losses.loss import Bound, Directions, Loss, Outputs, PerSample


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """ℓ = −Σ y log softmax(ŷ), for any target y ≥ 0 (a one-hot row or a distribution)."""

    def value(self, xp: Namespace, output: Outputs, target: Outputs) -> PerSample:
        """Return −Σ y log softmax(ŷ) of every sample; logits of any size are safe."""
        logits, weights = xp.wide(output), xp.wide(target)
        shifted = logits - xp.max(logits, axis=1, keepdims=True)
        log_norm = xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))
        return xp.sum(weights * (log_norm - shifted), axis=1)

    def error(self, xp: Namespace, output: Outputs, target: Outputs) -> Outputs:
        """Return y − (Σ y) softmax(ŷ)."""
        return target - xp.sum(target, axis=1, keepdims=True) * _softmax(xp, output)

    def curvature_bound(self, xp: Namespace, target: Outputs) -> Bound:
        """Return (Σ y)/2: of two classes with equal shares."""
        return 0.5 * xp.sum(target, axis=1, keepdims=True)

    def curvature(self, xp: Namespace, output: Outputs, target: Outputs, v: Directions) -> Directions:
        """Return (Σ y) (p v − p pᵀv) with p = softmax(ŷ)."""
        share = _softmax(xp, output)
        through = share * v
        return xp.sum(target, axis=1, keepdims=True) * (through - share * xp.sum(through, axis=1, keepdims=True))


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """ℓ = Σ softplus(ŷ) − y ŷ: binary cross-entropy with logits ŷ, one independent label a unit."""

    def value(self, xp: Namespace, output: Outputs, target: Outputs) -> PerSample:
        """Return the loss of every sample; logits of any size are safe."""
        logits, labels = xp.wide(output), xp.wide(target)
        softplus = xp.maximum(logits, 0.0) + xp.log1p(xp.exp(-xp.abs(logits)))
        return xp.sum(softplus - labels * logits, axis=1)

    def error(self, xp: Namespace, output: Outputs, target: Outputs) -> Outputs:
        """Return y − σ(ŷ)."""
        return target - sigmoid(xp, output)

    def curvature_bound(self, xp: Namespace, target: Outputs) -> Bound:
        """Return 1/4, at a logit of zero."""
        return 0.25

    def curvature(self, xp: Namespace, output: Outputs, target: Outputs, v: Directions) -> Directions:
        """Return σ (1 − σ) v."""
        return Sigmoid().pullback(xp, Sigmoid().forward(xp, output)[1], v)


def _softmax(xp: Namespace, output: Outputs) -> Outputs:
    raised = xp.exp(output - xp.max(output, axis=1, keepdims=True))
    return raised / xp.sum(raised, axis=1, keepdims=True)
