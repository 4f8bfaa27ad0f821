"""The energy of a network: predictions, errors, layerwise energies and gradients, as pure functions of arrays.

E = Σ_i γ_i/2 ‖ε_i‖² + ℓ(ŷ, y) + Σ_i δ_i/2 ‖s_i‖² for every sample on its own (model: section 1); where the precision
of a layer is a matrix Π_i, ½ ε_iᵀ Π_i ε_i. Everything is
in input-to-output order; no gradient with respect to states or errors carries 1/B. Where precisions are learned,
−Σ_i n_i/2 log γ_i belongs to it: that is a constant while states move, and left out of what is recorded. Networks
that predict top-down have the terms of `pcsim.model.top_down` as well.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import NamedTuple

from jaxtyping import Shaped

from pcsim.model.amortiser import guess_gradient, guessed
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers import Layer, Saved
from pcsim.model.losses import Loss, unweighted
from pcsim.model.network import PRECISION, Network
from pcsim.model.precisions import Precision, doubled_energy, weighted
from pcsim.model.top_down import AllDownward, TopDown

States = tuple[Array, ...]
"""One array (batch, *units) a layer."""


class Clamped(NamedTuple):
    """A network's parameters with input and target held fixed, as arrays of the run's type.

    `known` holds predictions and saved that cannot change, from layer 0 up: layer 0 reads only the input.
    """

    parameters: tuple[Parameters, ...]
    x: Array
    y: Array
    known: tuple[tuple[Array, Saved], ...]


@dataclass(frozen=True)
class Evaluation:
    """The energy's ingredients at one point: what is recorded, and what the next step needs.

    `states` s_0 … s_{N−2}, `errors` ε_0 … ε_{N−1} (the last is −∂ℓ/∂ŷ), the `output` ŷ and the layers' `saved`;
    `differentiate` computes the gradient of the moving variables when somebody asks for it. `predictions` ŝ_0 … ŷ
    are there where errors are formed from them; `slopes` compute ∇_θ where it is not that of these errors; `downward`
    are the top-down predictions, where there are any.
    """

    states: States
    errors: States
    output: Array
    saved: tuple[Saved, ...]
    differentiate: Callable[["Evaluation"], States]
    predictions: States = ()
    slopes: Callable[["Evaluation"], tuple[Parameters, ...]] | None = None
    downward: AllDownward = ()

    @cached_property
    def gradient(self) -> States:
        """∂E/∂z of every moving variable z, computed once."""
        return self.differentiate(self)


@dataclass(frozen=True)
class Energy:
    """The energy of a `Network` with an output loss, precisions γ and activity decays δ (one a free state).

    `top_down_weight` is α, that of the terms of a network that predicts top-down.
    """

    network: Network
    loss: Loss
    precisions: tuple[Precision, ...]
    decays: tuple[float, ...]
    top_down_weight: float = 1.0

    @property
    def top_down(self) -> TopDown:
        """The top-down terms, none where the network predicts nothing from above."""
        return TopDown(self.network.top_down, self.top_down_weight)

    @property
    def bare(self) -> "Energy":
        """The same energy with all precisions 1 and δ = 0: of feedforward states it is the loss alone."""
        ones, zeros = (1.0,) * len(self.precisions), (0.0,) * len(self.decays)
        return replace(self, loss=unweighted(self.loss), precisions=ones, decays=zeros)

    def at(self, parameters: Sequence[Mapping[str, Array]]) -> "Energy":
        """Return the energy with the precisions that are among the parameters, itself where there are none."""
        if not any(PRECISION in own for own in parameters):
            return self
        pairs = zip(parameters, self.precisions, strict=False)
        return replace(self, precisions=tuple(own.get(PRECISION, gamma) for own, gamma in pairs))

    def with_free_input(self, held: tuple[bool, ...] = ()) -> "Energy":
        """Return the energy of the network whose input is one more state, with no term of its own (model: section 1).

        Its parameters have none for the new first layer in front, its x is where the input starts; units that are
        `held` (a flag each, none where empty) stay there.
        """
        network, precisions = self.network.with_free_input(held), (0.0, *self.precisions)
        return replace(self, network=network, precisions=precisions, decays=(0.0, *self.decays))

    def clamp(
        self, xp: Namespace, parameters: tuple[Parameters, ...], x: Shaped[Array, "batch ..."], y: Array
    ) -> Clamped:
        """Hold input x (batch, *input_shape) and target y (batch, outputs) fixed."""
        return Clamped(parameters, x, y, (self.network.layers[0].forward(xp, parameters[0], {-1: x}),))

    def freeze(self, xp: Namespace, clamped: Clamped) -> Clamped:
        """Hold every prediction and what is saved at the feedforward pass."""
        _, predictions, saved = self.feedforward(xp, clamped)
        return clamped._replace(known=tuple(zip(predictions, saved, strict=True)))

    def predict(self, xp: Namespace, clamped: Clamped, states: Sequence[Array], i: int) -> tuple[Array, Saved]:
        """Return the prediction of layer i from the states, and what is saved."""
        if i < len(clamped.known):
            return clamped.known[i]
        layer = self.network.layers[i]
        return layer.forward(xp, clamped.parameters[i], inputs(clamped, states, layer))

    def predict_all(self, xp: Namespace, clamped: Clamped, states: Sequence[Array]) -> tuple[States, tuple[Saved, ...]]:
        """Return the predictions ŝ_0 … ŷ from given states, and what is saved."""
        pairs = [self.predict(xp, clamped, states, i) for i in range(len(self.network.layers))]
        return tuple(p for p, _ in pairs), tuple(r for _, r in pairs)

    def feedforward(
        self, xp: Namespace, clamped: Clamped, errors: Sequence[Array] | None = None
    ) -> tuple[States, States, tuple[Saved, ...]]:
        """Return states, predictions and what is saved of a pass from the input; errors, if given, move states."""
        states: list[Array] = []
        predictions: list[Array] = []
        saved: list[Saved] = []
        for i in range(len(self.network.layers)):
            prediction, own = self.predict(xp, clamped, states, i)
            predictions.append(prediction)
            saved.append(own)
            states.append(prediction if errors is None or i >= len(errors) else prediction + errors[i])
        return tuple(states[:-1]), tuple(predictions), tuple(saved)

    def first_states(self, xp: Namespace, clamped: Clamped) -> States:
        """Return where inference starts by itself: what an amortiser guesses, without one the feedforward pass."""
        network = self.network
        if network.amortiser is None:
            return self.feedforward(xp, clamped)[0]
        guesses = guessed(xp, network, clamped.parameters, clamped.y).states[::-1]
        return guesses if network.has_free_input else guesses[1:]

    def error(self, xp: Namespace, clamped: Clamped, states: Sequence[Array], prediction: Array, i: int) -> Array:
        """Return ε_i = s_i − ŝ_i of a free state, −∂ℓ/∂ŷ of the output layer."""
        if i == len(states):
            return self.loss.error(xp, prediction, clamped.y)
        return states[i] - prediction

    def weighted_error(self, errors: Sequence[Array], i: int) -> Array:
        """Return γ_i ε_i, or Π_i ε_i, the output's with γ = 1."""
        return self.weighted(errors[i], i)

    def weighted(self, v: Array, i: int) -> Array:
        """Return γ_i v, or Π_i v, the output's with γ = 1."""
        return v if i == len(self.precisions) else weighted(self.precisions[i], v)

    def state_gradient(
        self,
        xp: Namespace,
        clamped: Clamped,
        states: Sequence[Array],
        errors: Sequence[Array],
        saved: Sequence[Saved],
        i: int,
    ) -> Array:
        """Return ∇_{s_i}E = γ_i ε_i − Σ_j g_j(γ_j ε_j) + δ_i s_i, j over the layers that read state i."""
        total = self.weighted_error(errors, i)
        for j in self.network.readers[i]:
            total = total - self.pullback(xp, clamped, saved, self.weighted_error(errors, j), j, (i,))[i]
        return total if self.decays[i] == 0.0 else total + self.decays[i] * states[i]

    def state_gradients(
        self,
        xp: Namespace,
        clamped: Clamped,
        states: Sequence[Array],
        errors: Sequence[Array],
        saved: Sequence[Saved],
    ) -> States:
        """Return `state_gradient` of every free state; a layer's error is pulled back once to all that it reads."""
        weighted = [self.weighted_error(errors, j) for j in range(len(errors))]
        found = weighted[:-1]
        for j, layer in enumerate(self.network.layers):
            if layer.free:
                for i, pulled in self.pullback(xp, clamped, saved, weighted[j], j).items():
                    found[i] = found[i] - pulled
        for i, delta in enumerate(self.decays):
            if delta != 0.0:
                found[i] = found[i] + delta * states[i]
        return tuple(found)

    def backpropagated(self, xp: Namespace, clamped: Clamped, point: Evaluation) -> States:
        """Return ∂/∂s_i of loss and activity decay through all layers above state i, errors held fixed."""
        totals: list[Array] = [None] * len(point.states)
        totals.append(-point.errors[-1])
        pulled: dict[int, dict[int, Array]] = {}
        for i in range(len(point.states) - 1, -1, -1):
            for j in self.network.readers[i]:
                if j not in pulled:
                    pulled[j] = self.pullback(xp, clamped, point.saved, totals[j], j)
            parts = [pulled[j].pop(i) for j in self.network.readers[i]]
            if self.decays[i] != 0.0:
                parts.append(self.decays[i] * point.states[i])
            totals[i] = parts[0]
            for part in parts[1:]:
                totals[i] = totals[i] + part
        return tuple(totals[:-1])

    def pullback(
        self,
        xp: Namespace,
        clamped: Clamped,
        saved: Sequence[Saved],
        v: Array,
        i: int,
        states: Collection[int] | None = None,
    ) -> dict[int, Array]:
        """Return vᵀ ∂ŝ_i/∂s of the free states that layer i reads, or of some of them; zero for input units held."""
        layer = self.network.layers[i]
        pulled = layer.pullback(xp, clamped.parameters[i], saved[i], v, layer.free if states is None else states)
        return pulled if self.network.start is None else self.released(xp, pulled)

    def released(self, xp: Namespace, pulled: dict[int, Array]) -> dict[int, Array]:
        """Return what is pulled back to states, with zeros for units of a free input that are held."""
        if 0 in pulled and (start := self.network.start) is not None:
            pulled[0] = start.released(xp, pulled[0])
        return pulled

    def layerwise(self, xp: Namespace, clamped: Clamped, point: Evaluation) -> Shaped[Array, "layers batch"]:
        """Return E_i of every layer and sample in the wide type, last the output loss, top-down terms added."""
        pairs = zip(self.precisions, point.errors, strict=False)
        doubled = [doubled_energy(xp, gamma, error) for gamma, error in pairs]
        doubled.append(2.0 * self.loss.value(xp, point.output, clamped.y))
        if point.downward:
            for i, more in self.top_down.doubled_energies(xp, point.downward).items():
                doubled[i] = doubled[i] + more
        return 0.5 * xp.stack(doubled)

    def total(self, xp: Namespace, clamped: Clamped, point: Evaluation) -> Shaped[Array, " batch"]:
        """Return the energy of every sample in the wide type, that of the activity decay included."""
        total = xp.sum(self.layerwise(xp, clamped, point), axis=0)
        for delta, state in zip(self.decays, point.states, strict=True):
            if delta != 0.0:
                total = total + 0.5 * delta * xp.sum_of_squares(state)
        return total

    def parameter_gradient(self, xp: Namespace, clamped: Clamped, point: Evaluation) -> tuple[Parameters, ...]:
        """Return ∇_θ E of every layer, −(∂f_i/∂θ)ᵀ γ_i ε_i, a mean over the batch; an amortiser's of its own loss."""
        if point.slopes is not None:
            return point.slopes(point)
        scale = -1.0 / clamped.x.shape[0]
        found = tuple(
            {
                name: scale * value
                for name, value in layer.gradient(
                    xp, clamped.parameters[i], point.saved[i], self.weighted_error(point.errors, i)
                ).items()
            }
            for i, layer in enumerate(self.network.layers)
        )
        for i, slopes in self.top_down.parameter_gradients(xp, clamped.parameters, point.downward).items():
            found[i].update({name: scale * value for name, value in slopes.items()})
        for i, own in enumerate(clamped.parameters):
            if PRECISION in own:
                found[i][PRECISION] = self._precision_slope(xp, own[PRECISION], point.errors[i])
        if self.network.amortiser is not None:
            free = self.network.has_free_input
            settled = point.states if free else (clamped.x, *point.states)
            slopes = guess_gradient(xp, self.network, clamped.parameters, clamped.y, settled)
            for own, more in zip(found[int(free) :], slopes, strict=True):
                own.update(more)
        return found

    def _precision_slope(self, xp: Namespace, gamma: Shaped[Array, "1"], error: Array) -> Shaped[Array, "1"]:
        """Return ∂E/∂γ = (‖ε‖² − n/γ)/2, the mean over the batch."""
        batch, *units = error.shape
        mean = xp.sum(xp.sum_of_squares(error), axis=0, keepdims=True) / batch
        return (0.5 * (mean - prod(units) / xp.wide(gamma))).astype(gamma.dtype)


def inputs(clamped: Clamped, states: Sequence[Array], layer: Layer) -> dict[int, Array]:
    """Return the states that a layer reads, by number."""
    return {j: clamped.x if j < 0 else states[j] for j in layer.reads}
