"""What is compiled of a run in continuous time: its start, every sample's way to the next recorded time, its rows."""

from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp

from pcsim.inference import IncrementFlow, Inference, VectorField, gradient_flow
from pcsim.inference.draws import normals
from pcsim.inference.observables import Final, Observation, finish, observe
from pcsim.model.arrays import Array, Parameters
from pcsim.model.energy import Clamped, Evaluation, States
from pcsim.model.flat import Flat
from pcsim_jax.flat import rms
from pcsim_jax.namespace import JaxNamespace
from pcsim_jax.ode.solvers import METHODS, Field, Method, Tolerances, Trial, try_noisy_step, try_step

XP = JaxNamespace()

NEGLIGIBLE = 1e-9
"""The share of a step that is rounding of the sum of steps before it."""
MOST_STEPS = 100_000
FIRST_STEP = 0.01
"""The share of itself that the fastest variable may change by in the very first step."""

SMALLEST = 1e-300

MOVING, RESTING, STUCK, NOT_FINITE, UNSOLVED, EXHAUSTED = range(6)


@dataclass(frozen=True)
class FlowProgram:
    """Everything of a run in continuous time but its arrays and numbers; `stops` says whether there is a stop rule."""

    inference: Inference
    solver: str
    record: frozenset[str]
    adaptive: bool
    noisy: bool
    stops: bool

    @property
    def field(self) -> VectorField:
        """The vector field."""
        return gradient_flow(self.inference)

    @property
    def layout(self) -> Flat:
        """How the variables of a sample lie in one array."""
        shapes = self.inference.energy.network.state_shapes
        return Flat(shapes * 2 if isinstance(self.field, IncrementFlow) else shapes)

    @property
    def method(self) -> Method:
        """The solver."""
        return METHODS[self.solver]


class Numbers(NamedTuple):
    """The numbers of a run in float64, and the seed, high and low word: changing one compiles nothing."""

    limits: Tolerances
    step_size: Array
    temperature: Array
    threshold: Array
    end: Array
    seed: Array


class Sample(NamedTuple):
    """One sample on its way, or with a batch axis in front all of them.

    `proposal` is the size of the next step unless a recorded time comes first; `velocity` is dz/dt here, for methods
    that keep it.
    """

    index: Array
    time: Array
    proposal: Array
    variables: Array
    velocity: Array | None
    status: Array
    steps: Array
    rejected: Array
    evaluations: Array


def begin(
    program: FlowProgram,
    parameters: tuple[Parameters, ...],
    x: Array,
    y: Array,
    initial: States | None,
    numbers: Numbers,
) -> tuple[Any, Sample]:
    """Return what is known from the start, and all samples at time 0."""
    clamped = program.field.clamp(XP, parameters, x, y)
    split = program.field.begin(XP, clamped, initial)
    variables = program.layout.join(XP, split, clamped.y)
    count, batch = jnp.zeros(len(x), jnp.int64), jnp.arange(len(x))
    sample = Sample(batch, jnp.zeros(len(x)), jnp.full(len(x), numbers.step_size), variables, None, *(4 * (count,)))
    if not split:
        resting = jnp.full_like(count, RESTING if program.stops else MOVING)
        return clamped.known, sample._replace(status=resting)
    if program.adaptive or program.stops or program.method.first_is_last:
        velocity = program.layout.join(XP, program.field.velocity(XP, clamped, split), clamped.y)
        sample = sample._replace(evaluations=count + 1)
        if program.adaptive:
            sample = sample._replace(proposal=_first_step(program.layout, variables, velocity, numbers))
        if program.stops:
            sample = sample._replace(status=_rests(program, velocity, numbers).astype(count.dtype))
        if program.method.first_is_last:
            sample = sample._replace(velocity=velocity)
    return clamped.known, sample


def advance(
    program: FlowProgram, clamped: Clamped, samples: Sample, due: Array, attempts: Array, numbers: Numbers
) -> Sample:
    """Let every sample try up to `attempts` steps on its way to the time `due`, until one fails."""
    if not program.layout.shapes:
        return samples._replace(time=jnp.full_like(samples.time, due))
    arrays = clamped.x, clamped.y, clamped.known

    def attempt(held: Any, sample: Sample) -> Sample:
        return _attempt(program, clamped.parameters, held, sample, due, numbers)

    def on_the_way(samples: Sample) -> Array:
        return (samples.status == MOVING) & (samples.time < due)

    def goes_on(carry: tuple[Array, Sample]) -> Array:
        left, samples = carry
        return (left > 0) & on_the_way(samples).any() & (samples.status <= RESTING).all()

    def turn(carry: tuple[Array, Sample]) -> tuple[Array, Sample]:
        left, samples = carry
        return left - 1, _chosen(on_the_way(samples), jax.vmap(attempt)(arrays, samples), samples)

    # Constant steps: what is left of the way may be rounding.
    there = on_the_way(samples) & (due - samples.time <= NEGLIGIBLE * samples.proposal) & (not program.adaptive)
    samples = samples._replace(time=jnp.where(there, due, samples.time))
    return jax.lax.while_loop(goes_on, turn, (attempts, samples))[1]


def look(program: FlowProgram, clamped: Clamped, variables: Array) -> Observation:
    """Return what is to be known at this point."""
    return observe(XP, program, clamped, _point(program, clamped, variables))


def close(program: FlowProgram, clamped: Clamped, variables: Array) -> Final:
    """Return the arrays that are kept of the last point."""
    return finish(XP, program, clamped, _point(program, clamped, variables))


def _point(program: FlowProgram, clamped: Clamped, variables: Array) -> Evaluation:
    return program.field.evaluate(XP, clamped, program.layout.split(variables))


def _attempt(
    program: FlowProgram, parameters: tuple[Parameters, ...], held: Any, sample: Sample, due: Array, numbers: Numbers
) -> Sample:
    """Return a sample after trying one step."""
    layout = program.layout
    x, y, known = jax.tree.map(_as_batch, held)
    clamped = Clamped(parameters, x, y, known)

    def field(z: Array) -> Array:
        return layout.join(XP, program.field.velocity(XP, clamped, layout.split(z[None])), z[None])[0]

    remaining = due - sample.time
    last = remaining <= (1.0 + NEGLIGIBLE) * sample.proposal
    h = jnp.where(last, remaining, sample.proposal)
    if program.noisy:
        noise = _noise(sample, h, numbers)
        trial = try_noisy_step(program.method, field, sample.variables, noise, h)
    else:
        trial = try_step(program.method, layout, field, sample.variables, sample.velocity, h, numbers.limits)
    sample = sample._replace(evaluations=sample.evaluations + trial.evaluations)
    arrival = jnp.where(last, due, sample.time + h)
    moved = _adapted(program, sample, trial, h, arrival, numbers) if program.adaptive else _kept(sample, trial, arrival)
    return _judged(program, field, moved, sample, numbers) if program.stops else moved


def _moved(sample: Sample, trial: Trial, arrival: Array) -> Sample:
    kept = None if sample.velocity is None else trial.velocity
    return sample._replace(variables=trial.variables, velocity=kept, time=arrival, steps=sample.steps + 1)


def _kept(sample: Sample, trial: Trial, arrival: Array) -> Sample:
    """Return the sample after a constant step, or where it was with the reason why it cannot go on."""
    finite = jnp.isfinite(trial.variables).all()
    status = jnp.where(trial.solved, jnp.where(finite, MOVING, NOT_FINITE), UNSOLVED)
    moved = _moved(sample, trial, arrival)
    return _chosen(trial.solved & finite, moved, sample)._replace(status=status.astype(sample.status.dtype))


def _adapted(program: FlowProgram, sample: Sample, trial: Trial, h: Array, arrival: Array, numbers: Numbers) -> Sample:
    """Return the sample after its step if the error allows that, and in either case with another step size."""
    assert trial.errors is not None
    # The controller sees one number a variable: an error is relative to its own layer.
    before, after, errors = rms(program.layout, jnp.stack([sample.variables, trial.variables, trial.errors]))
    fine = jnp.isfinite(after + errors).all() & trial.solved
    after, errors = jnp.where(fine, after, 0.0), jnp.where(fine, errors, jnp.inf)
    controller = diffrax.PIDController(rtol=numbers.limits.rtol, atol=numbers.limits.atol, norm=jnp.max)
    state = (jnp.float64(1.0), jnp.float64(1.0), False)
    order = program.method.order
    keep, start, end, *_ = controller.adapt_step_size(jnp.float64(0.0), h, before, after, None, errors, order, state)
    # A step cut short by a recorded time says nothing against the size that was proposed.
    proposal = jnp.where(keep, jnp.maximum(end - start, sample.proposal * (h < sample.proposal)), end - start)
    rejected = sample._replace(rejected=sample.rejected + 1)
    chosen = _chosen(keep, _moved(sample, trial, arrival), rejected)
    stuck = jnp.logical_not(keep) & (chosen.time + proposal == chosen.time)
    exhausted = chosen.steps + chosen.rejected >= MOST_STEPS
    status = jnp.where(stuck, jnp.where(trial.solved, STUCK, UNSOLVED), jnp.where(exhausted, EXHAUSTED, MOVING))
    return chosen._replace(proposal=proposal, status=status.astype(sample.status.dtype))


def _judged(program: FlowProgram, field: Field, moved: Sample, before: Sample, numbers: Numbers) -> Sample:
    """Return a sample that rests if its derivative meets the stop rule."""
    stepped = moved.steps > before.steps
    if moved.velocity is None or program.method.implicit:
        # What an implicit method keeps is right to its tolerance only.
        velocity = field(moved.variables)
        moved = moved._replace(evaluations=moved.evaluations + stepped)
    else:
        velocity = moved.velocity
    rests = stepped & _rests(program, velocity, numbers) & (moved.status == MOVING)
    return moved._replace(status=jnp.where(rests, RESTING, moved.status))


def _rests(program: FlowProgram, velocity: Array, numbers: Numbers) -> Array:
    moving = velocity[..., : sum(map(prod, program.inference.energy.network.state_shapes))]
    return jnp.sqrt(jnp.sum(jnp.square(moving.astype(jnp.float64)), axis=-1)) <= numbers.threshold


def _first_step(layout: Flat, variables: Array, velocity: Array, numbers: Numbers) -> Array:
    """Return steps in which no variable changes by much of itself, or of what is to be told from zero."""
    lengths = rms(layout, variables) + numbers.limits.atol / numbers.limits.rtol
    steps = FIRST_STEP * lengths / jnp.maximum(rms(layout, velocity), SMALLEST)
    return jnp.minimum(steps.min(axis=-1), numbers.end)


def _noise(sample: Sample, h: Array, numbers: Numbers) -> Array:
    """Return √(2Th) ξ."""
    dtype = sample.variables.dtype
    drawn = normals(XP, numbers.seed, 0, sample.index[None], sample.steps + 1, sample.variables.size)
    return jnp.sqrt(2.0 * numbers.temperature * h).astype(dtype) * drawn[0].astype(dtype)


def _chosen(which: Array, yes: Sample, no: Sample) -> Sample:
    """Return one or the other, of several samples for each; `which` has no axis of units."""

    def choose(a: Array, b: Array) -> Array:
        return jnp.where(jnp.expand_dims(which, tuple(range(which.ndim, a.ndim))), a, b)

    return jax.tree.map(choose, yes, no)


def _as_batch(array: Array) -> Array:
    return array[None]
