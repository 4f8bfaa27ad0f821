"""Which keys a scenario's choices make use of, in one table of rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pcsim.extensions import KINDS, MADE_OF_WORDS, lender, takes
from pcsim.model.arithmetic import NARROW
from pcsim.scenario.fields import LEAKY, Table, allowed_by
from pcsim.scenario.flow import ADAPTIVE, CONSTANT, SOLVERS
from pcsim.scenario.model import Scenario
from pcsim.scenario.network import WITH_GAIN
from pcsim.scenario.tree import Place, Problem, Tree
from pcsim.scenario.words import inner_tables

_INIT_KEYS = ("network.init", "network.gain", "network.std", "network.low", "network.high")
_OPTIMIZER_KEYS = ("inference.momentum", "inference.beta1", "inference.beta2", "inference.eps")
_OF_LAYERS = ("widths", "skip", "output", "activation", "negative_slope", "order", "bias", "parametrisation", "gamma")
_SEARCH_KEYS = ("inference.start", "inference.steps")
_STEP_KEYS = ("inference.step_size", "inference.step_decay", "inference.clip", "inference.optimizer")
_ERRORS_FIRST_KEYS = ("inference.error_steps", "inference.error_step_size")
_STEPPING = ("state", "error", "sequential", "precision-weighted", "augmented-lagrangian", "bidirectional")
_ENERGY_METHODS = (*_STEPPING, "equilibrium")
_PHASES = "equilibrium-propagation"
_DISCRETE_KEYS = ("inference.steps", *_STEP_KEYS[1:], "inference.step_halving", *_ERRORS_FIRST_KEYS)
_TOLERANCE_KEYS = ("inference.rtol", "inference.atol")
_LEARNING_ADAM_KEYS = ("learning.beta1", "learning.beta2", "learning.eps")
_LEARNING_MQ_KEYS = ("learning.rho", "learning.r", "learning.lr_min")
_COSINE_KEYS = ("learning.schedule.warmup", "learning.schedule.peak", "learning.schedule.final")
_STEP_SCHEDULE_KEYS = ("learning.schedule.every", "learning.schedule.factor")
_FROM_FILES = ("mnist", "fashion-mnist", "emnist", "svhn", "cifar-10", "cifar-100", "npz")
_ACTIVATION = "network.activation"
_PRESENT = "present"
_ANY = "NAME"
"""Of what a package has, in `used_with`."""
_OPEN = {
    "network.activation": "activation",
    "data.name": "dataset",
    "inference.method": "inference",
    "inference.optimizer": "stepper",
    "learning.optimizer": "optimizer",
}
_NOUNS = {"data.name": "data set", "learning.schedule.kind": "schedule"}
_TIME_KEYS = ("inference.t_end", *_TOLERANCE_KEYS, "inference.save_at")


@dataclass(frozen=True)
class Rule:
    """Keys that are used only where another key, the decider, has one of some values (None: is absent).

    A table as the decider is present or absent. Where the decider is a word of a user's own, the keys are used if
    `own`, those that a class is made with if it has them.
    """

    keys: tuple[str, ...]
    decider: str
    used_with: tuple[str | None, ...]
    own: bool = False

    def uses(self, key: str, value: Any) -> bool:
        """Tell whether one of the keys is used beside a value of the decider."""
        if (package := _lender(self.decider, value)) is not None:
            return f"{package}.{_ANY}" in self.used_with
        return value in self.used_with or (self.is_own(value) and takes(_OPEN[self.decider], value, _word(key)))

    def leaves(self, key: str, value: Any, given: bool) -> bool:
        """Tell whether a key has the default of a user's own class: one that is not `given`."""
        return not given and self.is_own(value) and _OPEN[self.decider] in MADE_OF_WORDS

    def is_own(self, value: Any) -> bool:
        """Tell whether a value of the decider is a user's own."""
        return self.own and value not in KINDS[_OPEN[self.decider]].shipped


RULES = (
    Rule(_INIT_KEYS, "network.weights", (None,)),
    Rule(_INIT_KEYS, "network.parametrisation", ("standard",)),
    Rule(("network.gain",), "network.init", WITH_GAIN),
    Rule(("network.std",), "network.init", ("normal",)),
    Rule(("network.low", "network.high"), "network.init", ("uniform",)),
    Rule(("network.negative_slope",), _ACTIVATION, (LEAKY,)),
    Rule(("amortiser",), "inference.start", ("amortised",)),
    Rule(("amortiser.init",), "network.weights", (None,)),
    Rule(("amortiser.optimizer", "amortiser.lr"), "learning", (_PRESENT,)),
    Rule(("data.file",), "data.name", _FROM_FILES),
    Rule(("data.scaling",), "data.name", ("digits", *_FROM_FILES), own=True),
    Rule(("data.channels",), "data.name", ("npz",)),
    Rule(("data.slope", "data.noise"), "data.name", ("gaussian-line",)),
    # backpropagation descends the loss alone
    Rule(("network.precisions", "network.activity_decay"), "inference.method", _ENERGY_METHODS, own=True),
    # a free output that is a state would need it without a loss
    Rule(
        ("inference.output_precision",),
        "inference.method",
        tuple(word for word in _ENERGY_METHODS if word != "bidirectional"),
        own=True,
    ),
    Rule(("inference.form",), "inference.method", ("state", "sequential")),
    Rule(("inference.predictions", *_ERRORS_FIRST_KEYS), "inference.method", ("state",)),
    Rule(("inference.curvature",), "inference.method", ("equilibrium",)),
    Rule(_SEARCH_KEYS, "inference.method", (*_ENERGY_METHODS, _PHASES), own=True),
    Rule((*_STEP_KEYS, *_OPTIMIZER_KEYS), "inference.method", (*_STEPPING, _PHASES), own=True),
    # one phase is no end, and the output a state of its own
    Rule(("inference.stop",), "inference.method", _ENERGY_METHODS, own=True),
    Rule(("inference.clamp",), "inference.method", (*_ENERGY_METHODS, "backprop"), own=True),
    Rule(("inference.nudge", "inference.free_steps"), "inference.method", (_PHASES,)),
    # what multipliers gather, and precisions that rise, let the energy rise
    Rule(("inference.step_halving",), "inference.method", ("state", "error", "sequential"), own=True),
    Rule(("inference.precision_spike", "inference.precision_decay"), "inference.method", ("precision-weighted",)),
    Rule(("inference.top_down",), "inference.method", ("bidirectional",)),
    Rule(("inference.dual_step", "inference.dual_every"), "inference.method", ("augmented-lagrangian",)),
    Rule(("inference.solver", *_TIME_KEYS, "inference.noise"), "inference.method", ("state", "error")),
    Rule((*_DISCRETE_KEYS, *_OPTIMIZER_KEYS, "trace.every"), "inference.solver", (None,)),
    Rule(_TIME_KEYS, "inference.solver", SOLVERS),
    Rule(_TOLERANCE_KEYS, "inference.solver", ADAPTIVE),
    Rule(("inference.step_size",), "inference.solver", (None, *CONSTANT)),
    Rule(("inference.momentum",), "inference.optimizer", ("momentum",), own=True),
    Rule(("inference.beta1", "inference.beta2", "inference.eps"), "inference.optimizer", ("adam",), own=True),
    Rule(("inference.clamp_precision",), "inference.clamp", ("soft",)),
    Rule(("inference.input",), "inference.method", _ENERGY_METHODS, own=True),
    Rule(("inference.clamp", "inference.output_precision"), "inference.output", ("clamped",)),
    Rule(("data.samples", "data.validation", "data.validation_seed", "backend.devices"), "learning", (_PRESENT,)),
    Rule(("learning.momentum",), "learning.optimizer", ("momentum",), own=True),
    Rule(_LEARNING_ADAM_KEYS, "learning.optimizer", ("adam", "adamw"), own=True),
    Rule(("learning.precision_lr",), "learning.precisions", ("gradient", "natural")),
    Rule(("learning.options",), "learning.optimizer", (f"optax.{_ANY}",)),
    Rule(_LEARNING_MQ_KEYS, "learning.optimizer", ("mq",), own=True),
    Rule(("learning.weight_decay",), "learning.optimizer", ("sgd", "momentum", "adam", "adamw"), own=True),
    # a common factor cancels where every gradient is divided by its own size
    Rule(("learning.clip",), "learning.scale", ("none",)),
    Rule(_COSINE_KEYS, "learning.schedule.kind", ("cosine",)),
    Rule(_STEP_SCHEDULE_KEYS, "learning.schedule.kind", ("step",)),
    Rule(("inference.rounding", "inference.accumulate"), "backend.precision", NARROW),
)


def unused_keys(scenario: Scenario) -> set[str]:
    """Return the keys (dotted) that a scenario's choices make no use of."""
    found: set[str] = set()
    for rule in RULES:
        value = _choice(scenario, rule.decider)
        found.update(
            key for key in rule.keys if not rule.uses(key, value) or rule.leaves(key, value, _given(scenario, key))
        )
    if scenario.inference.tolerances is not None:
        found.add("inference.step_size")
    if scenario.inference.solver is None and scenario.inference.noise == 0:
        # Older texts of discrete steps do not have it, and keys of studies are digests of texts.
        found.add("inference.noise")
    if scenario.network.built is not None:
        found.update(f"network.{key}" for key in _OF_LAYERS)
    if scenario.network.layers is not None:
        found.update(("network.widths", "network.skip", "network.output"))
    return found


def ignored_key(scenario: Scenario, decider: str) -> str | None:
    """Return a key that is written for a user's own class which takes no such word, None where there is none."""
    value = _choice(scenario, decider)
    return next(
        (
            key
            for rule in RULES
            if rule.decider == decider
            for key in rule.keys
            if rule.is_own(value) and _given(scenario, key) and not rule.uses(key, value)
        ),
        None,
    )


def _given(scenario: Scenario, key: str) -> bool:
    """Tell whether a key of a table is written, and not left to its default."""
    table = key.rpartition(".")[0]
    holder = _value(scenario, table) if table else scenario
    return isinstance(holder, Table) and _word(key) in holder.model_fields_set


def _choice(scenario: Scenario, decider: str) -> Any:
    """Return the decider's value, None where the table that holds it is absent."""
    value = _value(scenario, decider)
    if decider == _ACTIVATION:
        value = _sloped(value, [each.activation for each in scenario.network.layers or ()])
    return _PRESENT if isinstance(value, Table) else value


def _sloped(activation: Any, listed: Sequence[Any]) -> Any:
    """Return leaky_relu where a listed layer names it, else the network's activation."""
    return LEAKY if LEAKY in listed else activation


def _tables(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _value(scenario: Scenario, key: str) -> Any:
    value: Any = scenario
    for part in key.split("."):
        value = None if value is None else getattr(value, part)
    return value


def take_unused(tree: Tree) -> tuple[list[Problem], list[str]]:
    """Remove the keys that the choices make no use of; return a problem or a note for each.

    A note where the choice was laid over the key later (by an override, or by the file that extends the
    key's), a problem where both were written together.
    """
    problems: dict[str, Problem] = {}
    notes: dict[str, str] = {}
    for rule in RULES:
        value = _decision(tree, rule.decider)
        if not _is_valid(rule.decider, value):
            continue
        for key in rule.keys:
            path = tuple(key.split("."))
            if tree.get(path) is None or rule.uses(key, value):
                continue
            place, decider = tree.newest(path), _decider_place(tree, rule)
            if decider is not None and place.layer < decider.layer:
                notes.setdefault(key, f"dropped {key}: {_reason(rule, value)} (set by {decider.setter_label()})")
            elif key not in notes:
                subject = f"{place.key_label()}: {key}"
                problems.setdefault(key, Problem(place, f"{subject} is {_reason(rule, value)}; {_advice(rule, value)}"))
    for key in {*problems, *notes}:
        tree.remove(tuple(key.split(".")))
    return [problem for key, problem in problems.items() if key not in notes], list(notes.values())


def _decision(tree: Tree, decider: str) -> Any:
    """Return the decider's value, its default where it is not written."""
    written = tree.get(tuple(decider.split(".")))
    if decider == _ACTIVATION:
        written = _sloped(written, [each.get("activation") for each in _tables(tree.get(("network", "layers")))])
    if written is not None:
        return _PRESENT if isinstance(written, dict) else written
    default = _field(decider).default
    return default if default is None or isinstance(default, str) else None


def _is_valid(decider: str, value: Any) -> bool:
    """Tell whether rules apply: not to a missing or misspelt decider, which is a problem of its own."""
    if value is None:
        return _field(decider).default is None
    words = allowed_by(_field(decider)).words
    return value in words or _lender(decider, value) is not None if words else isinstance(value, str)


def _lender(decider: str, value: Any) -> str | None:
    """Return the package that the decider's value names a thing of, None where it is another word."""
    return lender(_OPEN[decider], value) if decider in _OPEN else None


def _decider_place(tree: Tree, rule: Rule) -> Place | None:
    path = tuple(rule.decider.split("."))
    return None if tree.get(path) is None else tree.newest(path)


def _word(key: str) -> str:
    return key.rpartition(".")[2]


def _field(decider: str) -> Any:
    *tables, key = decider.split(".")
    holder: type[Table] = Scenario
    for table in tables:
        holder = inner_tables(holder.model_fields[table].annotation)[0]
    return holder.model_fields[key]


def _reason(rule: Rule, value: Any) -> str:
    if rule.decider == "network.weights":
        return "not used where network.weights gives the parameters"
    if value is None:
        return f"not used without {_named(rule)}"
    noun = _NOUNS.get(rule.decider, _word(rule.decider))
    return f"not used by {noun} '{value}'"


def _named(rule: Rule) -> str:
    return f"[{rule.decider}]" if _PRESENT in rule.used_with else rule.decider


def _advice(rule: Rule, value: Any) -> str:
    table, _, key = rule.decider.rpartition(".")
    if _lender(rule.decider, value) is not None:
        return f"remove it, or give what the optimizer takes in {table}.options"
    if _PRESENT in rule.used_with:
        return f"remove it, or add the table {_named(rule)}"
    if value is None:
        return f"remove it, or choose a {key} in [{table}]"
    if len(rule.used_with) > 1 or None in rule.used_with:
        return "remove it"
    return f'remove it, or write {key} = "{"".join(map(str, rule.used_with))}" in [{table}]'
