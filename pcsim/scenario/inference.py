"""The `[inference]` table: what moves during inference, and how."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pcsim.scenario.automatic import automatic_step_problems
from pcsim.scenario.fields import (
    Allowed,
    Count,
    CountOrZero,
    DecayRate,
    Flag,
    Fraction,
    Inconsistency,
    NonNegative,
    OpenWord,
    Positive,
    Table,
    clash,
    require_consistent,
)
from pcsim.scenario.flow import ADAPTIVE, SOLVERS, TOLERANCES, LogTimes, Solver, implied_end, must_ascend
from pcsim.scenario.flow_problems import flow_problems
from pcsim.scenario.stop import Stop, single_steps_problems
from pcsim.scenario.toml_text import toml_value

MOST_EVALUATIONS = 1000
"""Of a search for equilibria that names no steps."""


AMORTISED = ("state", "sequential", "precision-weighted", "augmented-lagrangian")
"""Methods that may start from states that are guessed."""


class InferenceTable(Table):
    """What moves during inference and how (`[inference]`)."""

    method: Annotated[str, OpenWord("inference")]
    """State optimization, error optimization, sequential state optimization, state optimization with precisions that
    rise where the signal passes or with a multiplier for every layer's error (PC-ALM), equilibrium propagation, states
    between predictions from below and from above, straight to the equilibrium, or plain backpropagation."""
    form: Literal["standard", "increment"] = "standard"
    """Compute errors from states, or carry the errors themselves so that small ones survive rounding."""
    loss: Annotated[str, OpenWord("loss")]
    """Energy of the output layer, summed over its units; the two entropies take logits."""
    start: Literal["feedforward", "zeros", "normal", "amortised"] = "feedforward"
    """States (or errors) before the first step, in training of every update; amortised: what [amortiser] guesses from
    the target."""
    steps: CountOrZero = 64
    """Number of inference steps; for the method equilibrium the most evaluations, 1000 if not given."""
    step_size: Annotated[Positive | Literal["auto"], Allowed('"auto" or a number greater than 0', ("auto",))] = 0.1
    """Step size of inference; where it is written beside a solver, that of its constant steps. "auto": half of what is
    stable at the start, by the curvature there; in training found anew as the weights change."""
    step_decay: DecayRate = 0.0
    """Decay d of the step size, which is step_size / (1 + d t) in step t = 0, 1, ...; true means 1."""
    step_halving: Flag = False
    """Whether to halve the step size of a sample whenever its total energy has risen in the last step."""
    clip: Annotated[Positive | None, Allowed("a number greater than 0")] = None
    """Largest norm of a sample's gradient in each layer, over its units; without it there is no limit."""
    error_steps: CountOrZero = 0
    """Number of steps of error optimization that method = "state" begins with, of all its steps."""
    error_step_size: Annotated[Positive | None, Allowed("a number greater than 0")] = None
    """Step size of these; without it that of the others."""
    optimizer: Annotated[str, OpenWord("stepper")] = "gd"
    """How a step follows the gradient: gradient descent, heavy ball or Adam."""
    momentum: Fraction = 0.9
    """Momentum of optimizer = "momentum"."""
    beta1: Fraction = 0.9
    """Decay of Adam's first moment."""
    beta2: Fraction = 0.999
    """Decay of Adam's second moment."""
    eps: Positive = 1e-8
    """Adam's safeguard against division by zero."""
    precision_spike: Annotated[Positive | None, Allowed("a number greater than 0")] = None
    """What the precision of method = "precision-weighted" is multiplied by where the signal passes; without it
    1 / step_size, which hands errors down undiminished."""
    precision_decay: Fraction = 0.0
    """Share of what a precision has risen by that is left after each further step; 0: it rises for one step alone."""
    top_down: NonNegative = 1.0
    """Weight of the top-down predictions' errors in the energy of method = "bidirectional"."""
    nudge: Positive = 0.1
    """Weight of the loss in the second phase of method = "equilibrium-propagation"."""
    free_steps: Count = 20
    """Of its steps those of the first phase, without the target."""
    dual_step: Positive = 1.0
    """Share of its layer's error that a multiplier of method = "augmented-lagrangian" gains; below 2 it goes well with
    step_size = "auto"."""
    dual_every: Count = 1
    """Steps of the states between two gains of the multipliers."""
    solver: Annotated[Solver | None, Allowed("one of " + ", ".join(SOLVERS), SOLVERS)] = None
    """Continuous time: the solver of the gradient flow, for the methods state and error, in training euler or heun;
    without it discrete steps."""
    t_end: Annotated[Positive | None, Allowed("a number greater than 0")] = None
    """Time at which a solver ends; without it the last time of save_at."""
    rtol: Annotated[Positive | None, Allowed("a number greater than 0")] = None
    """Relative tolerance of a solver that adapts its steps, as all do without a step_size; 1e-6 if not given."""
    atol: Annotated[Positive | None, Allowed("a number greater than 0")] = None
    """Absolute tolerance of a solver that adapts its steps; 1e-9 if not given."""
    save_at: Annotated[
        Annotated[tuple[NonNegative, ...], Field(min_length=1), AfterValidator(must_ascend)] | LogTimes | None,
        Allowed(
            "a list of ascending times, 0 or more, as in [0.1, 1, 20], or a table of first time, last time and number "
            "of times, as in { log = [0.01, 20, 200] }"
        ),
    ] = None
    """Times to record besides t_end, where constant steps are cut short: a list, or a number of logarithmically spaced
    ones; without it up to 101 from 0 on, whole steps apart where steps are constant."""
    noise: NonNegative = 0.0
    """Temperature T of Langevin dynamics, dz = -grad E dt + sqrt(2 T) dW, in discrete steps z - step_size grad E +
    sqrt(2 step_size T) xi; needs constant steps."""
    stop: Annotated[Stop | None, Allowed("a table, as in { grad_norm = 1e-6 }")] = None
    """Rule for stopping before the last step or time; with [learning] in every update, too."""
    curvature: Flag = False
    """Whether to say of every sample if its equilibrium is a minimum: the smallest eigenvalue of the Hessian."""
    predictions: Literal["local", "fixed"] = "local"
    """Compute predictions from the moving states, or freeze them at the feedforward pass."""
    input: Literal["clamped", "free", "masked"] = "clamped"
    """Clamped: the data give the input. Free: it moves as one more state, from zero or (start = "normal") a draw.
    Masked: the units in data.mask do so, the others are clamped."""
    output: Literal["clamped", "free", "masked"] = "clamped"
    """Clamped: the data give the target. Free: there is none, nor a loss, and the feedforward pass is at rest; with the
    method bidirectional the output moves as one more state. Masked: the units in data.mask have no target, the others
    do."""
    clamp: Literal["hard", "soft"] = "hard"
    """Hard: the target is the output state. Soft: the output state is drawn to the target."""
    clamp_precision: Positive = 1.0
    """Precision of the output prediction under clamp = "soft"."""
    output_precision: Positive = 1.0
    """Weight of the loss in the energy, a precision of the output's errors; what is measured stays the loss itself."""
    rounding: Literal["nearest", "stochastic"] = "nearest"
    """How results are rounded to float16 or bfloat16: to nearest even, or to either neighbour at random, unbiased."""
    accumulate: Literal["float32", "float16", "bfloat16"] = "float32"
    """Format in which float16 and bfloat16 runs accumulate matrix products."""

    @property
    def known_step_size(self) -> float:
        """The step size as a number, which "auto" has been replaced by where a run is made ready."""
        if self.step_size == "auto":
            raise TypeError("the step size has not been found yet")
        return self.step_size

    @property
    def error_rate(self) -> float:
        """The step size of error steps, in units of the step size of the others."""
        return 1.0 if self.error_step_size is None else self.error_step_size / self.known_step_size

    @property
    def has_forms(self) -> bool:
        """Whether the run has a standard and an increment form."""
        return self.method in ("state", "sequential") and self.predictions == "local" and self.noise == 0

    @property
    def tolerances(self) -> tuple[float, float] | None:
        """The relative and the absolute tolerance of adaptive steps; None where steps are constant or discrete."""
        return None if self.rtol is None or self.atol is None else (self.rtol, self.atol)

    @model_validator(mode="before")
    @classmethod
    def _fill_time(cls, given: Any) -> Any:
        """Resolve what a solver's other keys imply; values of the wrong type are left to be found."""
        solver = given.get("solver") if isinstance(given, dict) else None
        if not isinstance(solver, str):
            return given
        adapts = "step_size" not in given and solver in ADAPTIVE
        return {**(TOLERANCES if adapts else {}), **implied_end(given.get("save_at")), **given}

    @model_validator(mode="before")
    @classmethod
    def _fill_evaluations(cls, given: Any) -> Any:
        """Resolve the steps of a search, which ends by itself."""
        if isinstance(given, dict) and given.get("method") == "equilibrium":
            return {"steps": MOST_EVALUATIONS, **given}
        return given

    @model_validator(mode="after")
    def _check(self) -> Self:
        parts = (
            _equilibrium_problems,
            _form_problems,
            _errors_first_problems,
            _amortised_problems,
            _free_problems,
            _auto_problems,
            _noise_problems,
            flow_problems,
        )
        require_consistent([found for problems_of in parts for found in problems_of(self)])
        return self


def _form_problems(table: InferenceTable) -> Iterator[Inconsistency]:
    if table.predictions == "fixed" and table.form == "increment":
        advice = 'write form = "standard" or predictions = "local"'
        yield clash('inference.predictions = "fixed"', 'form = "increment"', advice)
    if table.predictions == "fixed" and table.step_halving:
        other = 'predictions = "fixed", under which no energy descends'
        yield clash("inference.step_halving", other, 'write step_halving = false or predictions = "local"')
    if table.clamp == "soft" and table.loss != "squared-error":
        advice = 'write clamp = "hard" or loss = "squared-error"'
        yield clash('inference.clamp = "soft"', f'loss = "{table.loss}"', advice)
    if table.clamp == "soft" and table.output_precision != 1.0:
        advice = 'write clamp_precision, which is its own, or clamp = "hard"'
        yield clash('inference.clamp = "soft"', f"output_precision = {table.output_precision}", advice)


def _errors_first_problems(table: InferenceTable) -> Iterator[Inconsistency]:
    if table.error_steps == 0:
        if table.error_step_size is not None:
            text = "inference.error_step_size is not used without inference.error_steps; remove it, or say how many"
            yield Inconsistency(("inference.error_step_size",), text)
        return
    if table.predictions == "fixed":
        other = 'predictions = "fixed", which errors would not change'
        yield clash("inference.error_steps", other, 'write error_steps = 0 or predictions = "local"')
    if table.step_size == "auto":
        other = 'step_size = "auto", which is found for states alone'
        yield clash("inference.error_steps", other, "write error_steps = 0 or give a number")


def _amortised_problems(table: InferenceTable) -> Iterator[Inconsistency]:
    if table.start != "amortised":
        return
    chosen = 'inference.start = "amortised"'
    if table.method not in AMORTISED:
        other = f'method = "{table.method}"'
        yield clash(chosen, other, f"choose {' or '.join(AMORTISED)}, or another start")
    if table.error_steps > 0:
        other = f"error_steps = {table.error_steps}, which begin with errors"
        yield clash(chosen, other, "write error_steps = 0, or choose another start")
    if table.output != "clamped":
        other = f'output = "{table.output}", of which it would be guessed'
        yield clash(chosen, other, 'write output = "clamped", or choose another start')
    if table.input == "masked":
        other = 'input = "masked", of which some units are known'
        yield clash(chosen, other, 'write input = "clamped" or "free", or choose another start')


def _auto_problems(table: InferenceTable) -> Iterator[Inconsistency]:
    if table.step_size == "auto":
        yield from automatic_step_problems(dict(table))


def _noise_problems(table: InferenceTable) -> Iterator[Inconsistency]:
    """Yield what discrete steps with noise do not go with; for those of a solver see `flow_problems`."""
    if table.noise == 0 or table.solver is not None:
        return
    reasons = {
        "form": ("standard", ", whose errors are variables without noise of their own"),
        "optimizer": ("gd", ", whose noise would need another size"),
        "step_decay": (0.0, ": it needs constant steps"),
        "step_halving": (False, ": it makes energies rise"),
        "clip": (None, ", under which samples would have another law"),
        "error_steps": (0, ", whose noise would need another size"),
        "stop": (None, ", which noise never lets come to rest"),
    }
    for key, (without, why) in reasons.items():
        value = getattr(table, key)
        if value != without:
            shown = "" if key == "stop" else f" = {toml_value(value)}"
            advice = f"remove {key}" if without is None else f"write {key} = {toml_value(without)}"
            yield clash(f"inference.noise = {table.noise}", f"{key}{shown}{why}", f"{advice}, or write noise = 0")


def _equilibrium_problems(table: InferenceTable) -> Iterator[Inconsistency]:
    if table.method != "equilibrium":
        return
    if table.curvature and table.input == "free":
        other = 'input = "free", whose equilibria can form whole valleys'
        yield clash("inference.curvature", other, 'write curvature = false or input = "clamped"')
    reason = "its steps are trials on the way, and only the gradient tells how near the equilibrium is"
    yield from single_steps_problems(
        table.stop, 'method = "equilibrium"', {"relative_change": reason, "arrival": reason}
    )


def _free_problems(table: InferenceTable) -> Iterator[Inconsistency]:
    if table.output == "masked" and table.loss != "squared-error":
        advice = 'write loss = "squared-error" or output = "clamped"'
        yield clash('inference.output = "masked"', f'loss = "{table.loss}"', advice)
    if table.input == "clamped":
        return
    given = f'inference.input = "{table.input}"'
    if table.output == "free" and table.input == "free":
        text = 'inference.input and inference.output are both "free", and nothing is given; clamp one of them'
        yield Inconsistency(("inference.input", "inference.output"), text)
    elif table.output == "free" and table.method != "bidirectional":
        other = 'output = "free", which says nothing of the masked units'
        yield clash(given, other, 'write output = "clamped"')
    if table.predictions == "fixed":
        other = 'predictions = "fixed", which a moving input would not change'
        yield clash(given, other, 'write predictions = "local" or input = "clamped"')
    if table.input == "masked" and table.noise > 0:
        other = f"noise = {table.noise}, which moves known units, too"
        yield clash(given, other, 'write noise = 0 or input = "free"')
