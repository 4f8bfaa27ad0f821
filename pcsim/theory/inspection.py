"""Looking at a scenario or a trace: the curvature of its energy, and what that says about step sizes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isqrt, prod
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from pcsim.assemble import (
    build_inference,
    build_initial,
    build_network,
    build_step_size_finder,
    build_stepper,
    inferring_with,
    load_inputs,
    read_dataset,
)
from pcsim.curvature import (
    Extremes,
    NotPositiveDefinite,
    error_curvature,
    extremes,
    largest_eigenvalue,
    operator_of,
    state_curvature,
)
from pcsim.curvature.steps import looked_at, stable_limit
from pcsim.engine.host import host_namespace
from pcsim.errors import UsageError
from pcsim.extensions import import_allowed
from pcsim.inference import Traits, first_variable, with_free_input
from pcsim.inference.state import evaluate_states
from pcsim.linear import is_linear, linear_system
from pcsim.model.arrays import Namespace
from pcsim.model.energy import Clamped, Energy, States
from pcsim.model.losses import NoTarget, SoftClampedSquaredError, SquaredError, unweighted
from pcsim.model.statistics import couples_samples
from pcsim.recorded import read_point
from pcsim.recorded.resimulation import setting_in_double
from pcsim.scenario import Scenario, read_scenario
from pcsim.trace import Trace
from pcsim.typing import NDArray
from pcsim.words import plain

MOST_SAMPLES = 8
"""Samples whose eigenvalues are computed one by one."""
MOST_BYTES = 2_000_000_000
"""Of one block of the Hessian over states."""
MOST_UNKNOWNS = 20_000
"""Of all these samples together, unless one alone has more."""

Host = NDArray[np.float64]


@dataclass(frozen=True)
class Spectrum:
    """Extreme eigenvalues of the Hessian of some samples, (samples,) each.

    `limit` is 2/λ_max with the largest eigenvalue over the whole batch, over its first few samples where networks are
    large (`Inspection.reckoned`): gradient descent is stable below it here.
    """

    smallest: Float64[NDArray[np.float64], " samples"]
    largest: Float64[NDArray[np.float64], " samples"]
    limit: float

    @property
    def condition_number(self) -> Float64[NDArray[np.float64], " samples"]:
        """λ_max/λ_min, infinite where the Hessian is not positive definite."""
        pairs = zip(self.smallest.tolist(), self.largest.tolist(), strict=True)
        return np.array([Extremes(low, high).condition_number for low, high in pairs])

    @property
    def indefinite(self) -> int:
        """Samples with a direction in which the energy curves downwards."""
        return int(np.count_nonzero(self.smallest < 0))

    @property
    def singular(self) -> int:
        """Samples whose smallest eigenvalue is zero to rounding."""
        return int(np.count_nonzero(self.smallest == 0))


@dataclass(frozen=True)
class Inspection:
    """What `inspect` finds; energies are batch means, activity decay included.

    `step_size` is the scenario's, None where inference takes no steps of its own; `limit` is what it must stay below to
    be stable here, and `automatic` what "auto" takes at the start of inference: None where these make no sense.
    `equilibrated_energy` is there for deep linear networks.
    """

    title: str
    widths: tuple[int, ...]
    activation: str
    place: str
    unknowns: int
    samples: int
    reckoned: int
    batch: int
    states: Spectrum
    errors: Spectrum
    method: str
    optimizer: str
    step_size: float | str | None
    limit: float | None
    automatic: float | None
    energy: float
    equilibrated_energy: float | None

    @property
    def is_stable(self) -> bool | None:
        """Whether the given step size is stable here; None where there is none to judge."""
        if self.limit is None or not isinstance(self.step_size, float):
            return None
        return self.step_size < self.limit

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, texts and lists; what is infinite or no number is None."""
        both = {"states": self.states, "errors": self.errors}
        spectra = {name: asdict(each) | {"condition_number": each.condition_number} for name, each in both.items()}
        return plain(asdict(self) | {"is_stable": self.is_stable} | spectra)


@dataclass(frozen=True)
class _Setting:
    """A batch at one point of its inference."""

    scenario: Scenario
    energy: Energy
    parameters: tuple[dict[str, Host], ...]
    x: Host
    y: Host
    states: States
    place: str
    initial: tuple[Host, ...] | None
    traits: Traits

    def clamped(self, xp: Namespace, rows: slice) -> Clamped:
        return self.energy.clamp(xp, self.parameters, self.x[rows], self.y[rows])


def inspect(source: Scenario | Trace | str | Path, *, allow: str | Sequence[str] = ()) -> Inspection:
    """Return the curvature of a scenario's energy at the start of inference, of a trace's where inference ended.

    `source` is a scenario, its path or the name of one that ships, or a trace; all is computed in float64. `allow`
    names modules to import, as in `verify`. Raises `UsageError` for a trace whose inference has not ended, where there
    is nothing to infer, and for a curvature that is no finite number in float64.
    """
    # What overflows is refused in the end, in one line.
    with np.errstate(all="ignore"):
        return _inspect(source, import_allowed(allow))


def _inspect(source: Scenario | Trace | str | Path, allowed: tuple[str, ...]) -> Inspection:
    xp = host_namespace()
    at = _of_trace(source, allowed) if isinstance(source, Trace) else _of_scenario(source, xp)
    if at.traits.has_phases or at.traits.predicts_down:
        method = at.scenario.inference.method
        raise UsageError(f'method "{method}" descends another energy than that whose curvature is looked at here')
    shapes = at.energy.network.state_shapes
    unknowns = sum(map(prod, shapes))
    _require_size(at, shapes)
    if not unknowns:
        raise UsageError("the network has no hidden layers: nothing is inferred, and there is no curvature to look at")
    batch = len(at.y)
    samples = max(1, min(MOST_SAMPLES, batch, MOST_UNKNOWNS // unknowns))
    over_states, over_errors = (_spectrum(xp, at, samples, errors=errors) for errors in (False, True))
    if not np.isfinite([over_states.limit, over_errors.limit]).all():
        raise UsageError(f"the curvature {at.place} is not a finite number in float64; use smaller weights")
    table, network = at.scenario.inference, build_network(at.scenario)
    limit, automatic = _steps(at, 2.0 / (over_errors if at.traits.moves_errors else over_states).limit)
    return Inspection(
        at.scenario.title,
        (prod(network.input_shape), *map(prod, network.layer_shapes)),
        ", ".join(at.scenario.network.activations),
        at.place,
        unknowns,
        samples,
        looked_at(at.energy, batch).stop,
        batch,
        over_states,
        over_errors,
        table.method,
        table.optimizer,
        table.step_size if limit is not None else None,
        limit,
        automatic,
        float(np.mean(at.energy.total(xp, at.clamped(xp, slice(None)), _point(xp, at, slice(None))))),
        _equilibrated(at),
    )


def _require_size(at: _Setting, shapes: Sequence[tuple[int, ...]]) -> None:
    """Raise `UsageError` where samples are coupled, or the blocks of the Hessian over states are too large."""
    if couples_samples(at.energy.network):
        raise UsageError(
            'norm statistics = "live" couple the samples of a batch, which then have no curvature each; write '
            'statistics = "held"'
        )
    largest = max(map(prod, shapes), default=0)
    if 8 * largest**2 > MOST_BYTES:
        raise UsageError(
            f"a layer has {largest:,} units, and the curvature over states is formed in blocks of units × units: "
            f"{8e-9 * largest**2:,.1f} GB; at most {MOST_BYTES / 1e9:g} GB are taken, {isqrt(MOST_BYTES // 8):,} units"
        )


def _of_scenario(source: Scenario | str | Path, xp: Namespace) -> _Setting:
    scenario = source if isinstance(source, Scenario) else read_scenario(source)
    network = build_network(scenario)
    inputs = load_inputs(scenario, network, read_dataset(scenario))
    parameters = inputs.parameters
    inference = inferring_with(build_inference(scenario, network), parameters)
    initial = build_initial(scenario, network, len(inputs.x))
    moving = initial
    if scenario.inference.input == "free":
        inference, parameters = with_free_input(inference), ({}, *parameters)
        moving = None if initial is None else (first_variable(inference, inputs.x), *initial)
    energy, traits = inference.energy, inference.traits
    clamped = energy.clamp(xp, parameters, inputs.x, inputs.y)
    if moving is None:
        states = energy.first_states(xp, clamped)
    else:
        states = energy.feedforward(xp, clamped, moving)[0] if traits.moves_errors else moving
    place = "at the start of inference"
    return _Setting(scenario, energy, parameters, inputs.x, inputs.y, states, place, initial, traits)


def _of_trace(trace: Trace, allowed: tuple[str, ...]) -> _Setting:
    scenario, network, _ = setting_in_double(trace, allowed)
    recorded = read_point(trace, network)
    parameters, states = recorded.parameters, recorded.states
    inference = inferring_with(build_inference(scenario, network), parameters)
    energy = inference.energy
    if scenario.inference.input == "free":
        energy, parameters, states = energy.with_free_input(), ({}, *parameters), (recorded.x, *states)
    initial, place = build_initial(scenario, network, len(recorded.x)), "where inference ended"
    return _Setting(scenario, energy, parameters, recorded.x, recorded.y, states, place, initial, inference.traits)


def _point(xp: Namespace, at: _Setting, rows: slice) -> Any:
    return evaluate_states(xp, at.energy, at.clamped(xp, rows), tuple(state[rows] for state in at.states))


def _spectrum(xp: Namespace, at: _Setting, samples: int, *, errors: bool) -> Spectrum:
    def curvature(rows: slice) -> Any:
        point = _point(xp, at, rows)
        if errors:
            return error_curvature(xp, at.energy, at.clamped(xp, rows), point.errors[:-1])
        return state_curvature(xp, at.energy, at.clamped(xp, rows), point.states)

    found = [extremes(curvature(slice(k, k + 1))) for k in range(samples)]
    each, rows = np.array([one.largest for one in found]), looked_at(at.energy, len(at.y))
    more = [largest_eigenvalue(operator_of(curvature(rows)), 1e-6)] if samples < rows.stop else []
    # Unlike max(), numpy's keeps a NaN.
    return Spectrum(np.array([one.smallest for one in found]), each, 2.0 / float(np.max([*each, *more])))


def _steps(at: _Setting, largest: float) -> tuple[float | None, float | None]:
    """Return the step size to stay below, and what "auto" takes; None where inference has no such steps."""
    table = at.scenario.inference
    discrete = table.solver is None and at.traits.descends
    if not discrete or table.optimizer == "adam":
        return None, None
    asked, network = at.scenario.at_step_size(1.0), build_network(at.scenario)
    limit = stable_limit(build_stepper(asked), largest)
    automatic = at.scenario.model_copy(update={"inference": table.model_copy(update={"step_size": "auto"})})
    finder = build_step_size_finder(automatic, network)
    free = at.energy.network.has_free_input
    found = finder and finder.step_size(at.parameters[1:] if free else at.parameters, at.x, at.y, at.initial)
    return limit, found


def _equilibrated(at: _Setting) -> float | None:
    """Return the batch mean of a deep linear network's equilibrated energy, None for others or without a unique one."""
    if not is_linear(at.energy.network) or not isinstance(
        unweighted(at.energy.loss), SquaredError | SoftClampedSquaredError | NoTarget
    ):
        return None
    try:
        return float(np.mean(linear_system(at.energy, at.parameters, at.x, at.y).equilibrated_energy()))
    except NotPositiveDefinite:
        return None
