"""The samples of a batch in blocks: set to their start, settled together, read out."""

import math
from typing import Any, NamedTuple

import numpy as np

from pcsim.engine.lowering import (
    NOTHING,
    PRECISION,
    PREMULTIPLIER,
    SEQUENTIAL,
    lowered,
    lowered_method,
    lowered_stepper,
)
from pcsim.inference import Inference, unhalved
from pcsim.inference.steppers import Stepper
from pcsim.inference.stopping import StopRule
from pcsim.model.arrays import Parameters
from pcsim.model.energy import States
from pcsim.typing import NDArray
from pcsim_numba.kernels.block import Block, Form, make_block, matrix, saved_matrix
from pcsim_numba.kernels.entries import MET, NOT_FINITE, RowBuffers, Watch, begin, carry, proceed
from pcsim_numba.kernels.plan import BIAS, SOURCE, WEIGHTS_FIRST, plan
from pcsim_numba.support import KERNELS
from pcsim_numba.threads import edges, on_all

TYPICAL_STRETCH = 64


class Limits(NamedTuple):
    """A stop rule in numbers, nan where there is none: the gradient's norm, the energies' relative change; arrival."""

    norm: float = math.nan
    change: float = math.nan
    arrival: bool = False

    @property
    def given(self) -> bool:
        """Whether there is any."""
        return self.arrival or not math.isnan(self.norm) or not math.isnan(self.change)


def limits_of(rule: StopRule | None) -> Limits:
    """Return a rule in numbers."""
    if rule is None:
        return Limits()
    norm, change = (math.nan if limit is None else limit for limit in (rule.grad_norm, rule.relative_change))
    return Limits(norm, change, rule.arrival)


class Reached(NamedTuple):
    """What a stretch came to: the first step at which all samples met the rule or one's energies were not finite.

    `step` is −1 where there was none; `finite` says whether they are. `arrivals` are those up to the stretch's end.
    """

    step: int
    finite: bool
    arrivals: NDArray[np.int64]


class RunningBatch:
    """A batch on its way through discrete inference, in the type of its arrays."""

    def __init__(
        self,
        inference: Inference,
        stepper: Stepper,
        parameters: tuple[Parameters, ...],
        x: NDArray[Any],
        y: NDArray[Any],
        weights_move: bool = False,
    ) -> None:
        self._energy, self._lowered, self._dtype = inference.energy, lowered(KERNELS, inference.energy), x.dtype
        self._plan = plan(self._lowered, parameters, x.dtype)
        self._method, traits = lowered_method(KERNELS, unhalved(inference)), inference.traits
        self._motion = lowered_stepper(KERNELS, stepper)
        count = len(parameters)
        known = count if traits.freezes_predictions else int(not weights_move)
        weights = sum(array.size for layer in parameters for array in layer.values())
        self._edges = edges(len(x), 4.0 * weights * TYPICAL_STRETCH)
        keeps = self._method == SEQUENTIAL
        form = Form(known, keeps, traits.carries_errors, self._motion.memories, traits.halves_steps)
        self._traits = traits
        self._blocks = [
            make_block(self._plan, x[a:b], y[a:b], form) for a, b in zip(self._edges[:-1], self._edges[1:], strict=True)
        ]

    def compile(self, rows: RowBuffers) -> None:
        """Compile all that is needed, or load it."""
        begin(self._plan.net, self._blocks[0])
        if self._traits.carries_errors:
            carry(self._plan.net, self._blocks[0])
        self.proceed(0, -1, np.zeros(0, np.int64), rows, self.nobody_arrived, Limits())

    @property
    def nobody_arrived(self) -> NDArray[np.int64]:
        """The arrival steps before the start."""
        return np.full(len(self._plan.net.layers), -1, np.int64)

    def begin(self, initial: States | None) -> None:
        """Set all samples to a feedforward pass, and the variables to the initial ones if given."""
        on_all(lambda b: begin(self._plan.net, self._blocks[b]), range(len(self._blocks)))
        for block, a in zip(self._blocks, self._edges, strict=False):
            for i, values in enumerate(initial or ()):
                matrix(self._plan, block, self._moving(block)[0], i)[:] = values[a : a + block.rows]
        if self._traits.carries_errors:
            on_all(lambda b: carry(self._plan.net, self._blocks[b]), range(len(self._blocks)))

    def proceed(
        self,
        first: int,
        last: int,
        due: NDArray[np.int64],
        rows: RowBuffers,
        arrivals: NDArray[np.int64],
        limits: Limits,
    ) -> Reached:
        """Look at the steps from `first` to `last`, record those that are due, and move on after all but the last."""
        count = len(self._blocks)
        watches = [
            Watch(arrivals.copy(), np.zeros(max(last - first + 1, 0), np.int8), limits.norm, limits.change)
            for _ in range(count)
        ]

        def one(b: int) -> None:
            offset, block = self._edges[b], self._blocks[b]
            proceed(self._method, self._plan.net, block, offset, self._motion, first, last, due, rows, watches[b])

        on_all(one, range(count))
        seen = _earliest([watch.arrivals for watch in watches])
        flags = np.stack([watch.flags for watch in watches])
        wrong = (flags == NOT_FINITE).any(axis=0)
        met = (flags == MET).all(axis=0) & limits.given
        if limits.arrival:
            met &= (seen >= 0).all() & (np.arange(first, last + 1) >= seen.max())
        stops = np.flatnonzero(wrong | met)
        return Reached(first + int(stops[0]), not wrong[stops[0]], seen) if stops.size else Reached(-1, True, seen)

    def set_parameters(self, parameters: tuple[Parameters, ...]) -> None:
        """Go on with other parameters."""
        self._plan = plan(self._lowered, parameters, self._dtype)

    def snapshot(self) -> list[tuple[NDArray[Any], ...]]:
        """Return copies of all that moves."""
        return [tuple(array.copy() for array in (*self._moving(block), block.before)) for block in self._blocks]

    def restore(self, saved: list[tuple[NDArray[Any], ...]]) -> None:
        """Go back to a snapshot."""
        for block, arrays in zip(self._blocks, saved, strict=True):
            for array, before in zip((*self._moving(block), block.before), arrays, strict=True):
                array[:] = before

    def layerwise(self) -> NDArray[np.float64]:
        """Return the energies (layers, batch) last looked at."""
        return np.concatenate([block.energies for block in self._blocks], axis=1)

    def states(self, i: int) -> NDArray[Any]:
        """Return the states (batch, units) of a layer, the output's last."""
        return np.concatenate([matrix(self._plan, block, block.states, i) for block in self._blocks])

    def errors(self, i: int) -> NDArray[Any]:
        """Return the errors (batch, units) of a layer, the output's last."""
        return np.concatenate([matrix(self._plan, block, block.errors, i) for block in self._blocks])

    def gradient(self) -> tuple[dict[str, NDArray[Any]], ...]:
        """Return the batch mean of ∂E/∂θ of every layer."""
        return tuple(self._layer_gradient(i) for i in range(len(self._plan.net.layers)))

    def _layer_gradient(self, i: int) -> dict[str, NDArray[Any]]:
        energy = self._energy
        if not energy.network.parameters[i]:
            return {}
        first = bool(self._plan.net.layers[i, WEIGHTS_FIRST])
        premultiplier = float(self._plan.net.scales[i, PREMULTIPLIER])
        gamma = float(self._plan.net.scales[i, PRECISION])
        inputs: list[NDArray[Any]] = []
        errors: list[NDArray[Any]] = []
        for block in self._blocks:
            error = (gamma * premultiplier) * matrix(self._plan, block, block.errors, i)
            errors.append(error * saved_matrix(self._plan, block, block.slopes, i, of_output=True) if first else error)
            inputs.append(self._input(block, i))
        v = np.concatenate(errors)
        scale = -1.0 / len(v)
        found = {"W": scale * (np.concatenate(inputs).T @ v)}
        if self._plan.net.layers[i, BIAS] != NOTHING:
            found["b"] = scale * v.sum(axis=0)
        return found

    def _input(self, block: Block, i: int) -> NDArray[Any]:
        """Return what the weights of layer i multiply."""
        if not self._plan.net.layers[i, WEIGHTS_FIRST]:
            return saved_matrix(self._plan, block, block.inputs, i, of_output=False)
        source = int(self._plan.net.layers[i, SOURCE])
        if source >= 0:
            # A prediction that was frozen was made from the states of the feedforward pass.
            states = block.predictions if i < block.known else block.states
            return matrix(self._plan, block, states, source)
        return block.x.reshape(block.rows, -1)[:, : self._energy.network.input_shape[0]]

    def _moving(self, block: Block) -> tuple[NDArray[Any], ...]:
        memory = block.first, block.second, block.shares, block.highest
        if self._traits.carries_errors:
            anchors = block.points, block.lows, block.below, block.input_lows, block.output_low
            return block.states, block.errors, block.slopes, block.inputs, *anchors, *memory
        return (block.errors if self._traits.moves_errors else block.states), *memory


def _earliest(arrivals: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the first step of any block, −1 where no signal arrived in any."""
    never = np.iinfo(np.int64).max
    found = np.min([np.where(a < 0, never, a) for a in arrivals], axis=0)
    return np.where(found == never, -1, found)
