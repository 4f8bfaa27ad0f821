"""From a scenario's words to how its network learns: learner, optimiser, schedule."""

from pcsim.assemble.amortiser import build_amortiser_rule
from pcsim.assemble.model import build_inference
from pcsim.assemble.own import OwnWord, made
from pcsim.assemble.own_code import lent_optimizer
from pcsim.assemble.task import build_stepper, build_stop, number_of_steps
from pcsim.errors import UsageError
from pcsim.extensions import lender
from pcsim.inference import Adaptive, Euler, Heun, Inference, Integrated, StartingAt
from pcsim.inference import Constant as ConstantSteps
from pcsim.inference.integrated import Rule
from pcsim.inference.steppers import GradientDescent
from pcsim.learning import (
    MQ,
    SGD,
    Adam,
    AdamW,
    AfterEveryStep,
    AgainstForwardPass,
    AtTheEnd,
    Constant,
    GradientRule,
    Learner,
    Momentum,
    NaturalRule,
    Normalised,
    Optimizer,
    PerLayer,
    PrecisionRule,
    Schedule,
    StepDecay,
    WarmupCosine,
)
from pcsim.model.network import Network
from pcsim.scenario import LearningTable, Scenario
from pcsim.words import count as count_of

MOST_STEPS = 1_000_000
"""Of a solver in one update; fewer than 10,000 are usual."""
SOLVERS: dict[str, Rule] = {"euler": Euler(), "heun": Heun()}
"""Those that training runs with, `pcsim.scenario.learning.TRAINING_SOLVERS`."""
RULES = {"incremental": AfterEveryStep(), "forward": AgainstForwardPass()}
"""Those that do more than learn at the end of inference."""


def build_learner(scenario: Scenario, network: Network) -> Learner:
    """Return how the network of a scenario with `[learning]` learns from a batch."""
    table = _learning(scenario)
    flows = scenario.inference.solver is not None
    inference = build_inference(scenario, network)
    inference = _integrated(scenario, inference) if flows else inference
    return Learner(
        inference=_starting(scenario, inference),
        stepper=GradientDescent(1.0) if flows else build_stepper(scenario),
        steps=MOST_STEPS if flows else number_of_steps(scenario),
        optimizer=build_optimizer(scenario, table),
        rule=RULES.get(table.rule, AtTheEnd()),
        clip=table.clip,
        stop=build_stop(scenario),
        speeds=speeds_of(scenario, table, network),
        precisions=_precision_rule(scenario, table),
        amortiser=build_amortiser_rule(scenario),
    )


def _starting(scenario: Scenario, inference: Inference) -> Inference:
    """Return a method with the start that a scenario gives it in every update."""
    start = scenario.inference.start
    if start in ("feedforward", "amortised"):
        return inference
    return StartingAt(inference, scenario.seed, normal=start == "normal")


def _integrated(scenario: Scenario, inference: Inference) -> Integrated:
    """Return the flow of a method by the steps of the scenario's solver."""
    table = scenario.inference
    if table.t_end is None:
        raise TypeError("a flow needs an end")
    control = ConstantSteps(table.known_step_size) if table.tolerances is None else Adaptive(*table.tolerances)
    return Integrated(inference, table.t_end, SOLVERS[str(table.solver)], control)


def speeds_of(scenario: Scenario, table: LearningTable, network: Network) -> tuple[float, ...] | None:
    """Return how fast every layer learns, in units of the learning rate, 0 where it is frozen; None where all are 1.

    Raises `UsageError` for rates that are not one for each layer, and for layers that there are not.
    """
    first = int(network.has_free_input)
    count = len(network.layers) - first
    rates = table.lr if isinstance(table.lr, tuple) else (table.lr,) * count
    if len(rates) != count:
        raise UsageError(
            f"{scenario.where('learning.lr')}: {len(rates)} learning rates for {count_of(count, 'layer')}; give one "
            "for each, the output's last, or one number"
        )
    frozen = table.freeze or ()
    where = scenario.where("learning.freeze")
    if any(layer >= count for layer in frozen):
        raise UsageError(f"{where}: there is no layer {max(frozen)}; the layers are 0 to {count - 1}")
    if len(frozen) == count:
        raise UsageError(f"{where}: all layers are frozen, and nothing learns; leave one out of the list")
    found = [0.0 if i in frozen else rate / table.largest_lr for i, rate in enumerate(rates)]
    return None if all(speed == 1.0 for speed in found) else ((1.0,) * first + tuple(found))


def build_precision_rule(table: LearningTable) -> PrecisionRule | None:
    """Return how the words of `[learning]` let precisions learn, None where they stay."""
    rules = {"gradient": GradientRule, "natural": NaturalRule}
    return None if table.precisions is None else rules[table.precisions](table.precision_lr)


def _precision_rule(scenario: Scenario, table: LearningTable) -> PrecisionRule | None:
    found = build_precision_rule(table)
    if found is not None and scenario.backend.precision_name == "bfloat16":
        raise UsageError(
            f"{scenario.where('learning.precisions')}: most updates of a precision are lost in bfloat16; use "
            'backend.precision = "float32", or remove it'
        )
    return found


def build_schedule(scenario: Scenario, updates: int) -> Schedule:
    """Return the learning rate of a scenario with `[learning]`, with so many `updates` in an epoch."""
    table = _learning(scenario)
    given = table.schedule
    if given is None or given.kind == "constant":
        return Constant(table.largest_lr)
    if given.kind == "cosine":
        return WarmupCosine(table.largest_lr, given.warmup, given.peak, given.final)
    return StepDecay(table.largest_lr, given.every * updates, given.factor)


def build_optimizer(scenario: Scenario, table: LearningTable) -> Optimizer:
    """Return how words of `[learning]`, a scenario's or others, let a parameter array follow its gradient."""
    match table.optimizer:
        case "sgd":
            optimizer = SGD(table.weight_decay)
        case "momentum":
            optimizer = Momentum(table.momentum, table.weight_decay)
        case "adam":
            optimizer = Adam(table.beta1, table.beta2, table.eps, table.weight_decay)
        case "adamw":
            optimizer = AdamW(table.beta1, table.beta2, table.eps, table.weight_decay)
        case "mq":
            optimizer = MQ(table.rho, table.r, table.lr_min)
        case lent if lender("optimizer", lent) is not None:
            optimizer = lent_optimizer(scenario, lent, table.options or {})
        case own:
            optimizer = made(scenario, OwnWord("learning.optimizer", "optimizer", own), table, {})
    if table.scale == "per-layer":
        optimizer = PerLayer(optimizer)
    return Normalised(optimizer) if table.normalise == "variance" else optimizer


def _learning(scenario: Scenario) -> LearningTable:
    if scenario.learning is None:
        raise TypeError("a scenario without [learning] has no learner")
    return scenario.learning
