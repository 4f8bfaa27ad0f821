"""Learning from a trace: the local weight update of recorded states and errors, whatever settled them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from pcsim.assemble import (
    build_amortiser_rule,
    build_inference,
    build_network,
    build_optimizer,
    build_precision_rule,
    inferring_with,
    speeds_of,
)
from pcsim.engine.host import host_namespace
from pcsim.errors import UsageError, did_you_mean
from pcsim.inference.state import evaluate_states
from pcsim.inference.steppers import GradientDescent
from pcsim.learning.batch import against_forward_pass
from pcsim.learning.diagnosis import chosen, update_ratio, weight_names
from pcsim.learning.learner import Learner, fresh
from pcsim.model.arithmetic import dtype_of
from pcsim.model.network import Network
from pcsim.recorded import called, fitting, precision_of, read_point
from pcsim.recorded.agreement import check_agreement
from pcsim.recorded.embedded import Embedded, of_trace
from pcsim.runs.training import by_name
from pcsim.scenario import GivenNetwork, InferenceTable, LearningTable, Scenario, scenario_text
from pcsim.scenario.overrides import parse_overrides
from pcsim.trace import Trace
from pcsim.typing import NDArray
from pcsim.weights import write_weights

WORDS = (
    "optimizer",
    "lr",
    "options",
    "scale",
    "normalise",
    "clip",
    "weight_decay",
    "momentum",
    "beta1",
    "beta2",
    "eps",
    "rho",
    "r",
    "lr_min",
)
"""Of `[learning]`, what one update goes by."""

Named = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class LocalUpdate:
    """One weight update from the end of an inference run; parameters and gradient by name, `W_0`, `b_0`, …, in float64.

    `gradient` is ∇_θ E, the batch mean; `gradient_norms` are ‖∇_W E‖, `update_ratios` ‖ΔW‖/‖W‖, NaN for weights of
    zero, neither with biases; `silent` are the layers whose recorded error is exactly zero in every sample, which would
    not learn.
    """

    gradient: Named
    parameters: Named
    gradient_norms: Float64[NDArray[np.float64], " layers"]
    update_ratios: Float64[NDArray[np.float64], " layers"]
    silent: tuple[int, ...]
    layer_names: tuple[str, ...]
    samples: int
    learning: LearningTable
    """How the update was made; its other words play no part."""
    has_own_words: bool
    """Whether the trace's scenario says how to learn; without that it is plain SGD."""
    precision: str
    texts: dict[str, str]
    """What goes with the parameters: the trace's scenario, and what lies beside it."""

    def write(self, path: str | Path, *, force: bool = False) -> None:
        """Write the new parameters, in the type of the run, to a weights file; raises as `export_weights` does."""
        dtype = dtype_of(self.precision)
        with np.errstate(over="ignore"):  # what becomes infinite is refused
            rounded = {name: array.astype(dtype) for name, array in self.parameters.items()}
        write_weights(Path(path), rounded, self.texts, force=force)


def learn_from(
    trace: Trace,
    overrides: str | Sequence[str] = (),
    *,
    allow: str | Sequence[str] = (),
    network: GivenNetwork | None = None,
) -> LocalUpdate:
    """Return the weight update of the states and errors at the end of a trace, computed in float64.

    ∇_{W_i}E = −(∂f_i/∂W_i)ᵀ γ_i ε_i with Jacobians at the recorded states and errors as recorded (model: section 2), or
    both against the feedforward pass where the scenario's rule is "forward"; then one update by the scenario's
    `[learning]` words, changed by `overrides` such as "learning.lr=0.01". `allow` and `network` are as in `verify`.
    Raises `UsageError` for a trace that lacks something, whose arrays do not fit its scenario or each other, or have
    entries that are not finite.
    """
    embedded = of_trace(trace, allow=allow, network=network)
    scenario = embedded.parse()
    table = _words(scenario, embedded, overrides)
    built = build_network(scenario)
    recorded = read_point(trace, built)
    inference = build_inference(scenario, built, _masked(trace, scenario, built))
    inference, xp = inferring_with(inference, recorded.parameters), host_namespace()
    if inference.traits.has_phases:
        raise UsageError(
            f'{called(trace)}: method "{inference.name}" learns from two phases, of which a trace holds the end of the '
            "second alone; train with [learning] instead"
        )
    if inference.traits.predicts_down and scenario.inference.output == "free":
        raise UsageError(f"{called(trace)}: weights learn from targets, and its output is free; clamp it")
    with np.errstate(all="ignore"):
        clamped = inference.clamp(xp, recorded.parameters, recorded.x, recorded.y)
        point = evaluate_states(xp, inference.energy, clamped, recorded.states)
        check_agreement(trace, scenario, inference, recorded, point)
        point = replace(point, errors=recorded.errors)
        if table.rule == "forward":
            point = against_forward_pass(xp, inference.energy, clamped, point)
        gradient = inference.energy.parameter_gradient(xp, clamped, point)
        taught = scenario.model_copy(update={"learning": table})
        optimizer, speeds = build_optimizer(taught, table), speeds_of(taught, table, built)
        rule = build_precision_rule(table)
        learner = Learner(
            inference,
            GradientDescent(1.0),
            1,
            optimizer,
            clip=table.clip,
            speeds=speeds,
            precisions=rule,
            amortiser=build_amortiser_rule(scenario),
        )
        memory = fresh(xp, learner, recorded.parameters)
        after, _ = learner.follow(xp, recorded.parameters, gradient, memory, table.largest_lr, 1)
        names, nothing = weight_names(built), np.zeros(1)
        pairs = chosen(names, zip(recorded.parameters, after, strict=True), nothing)
        ratios = np.concatenate([update_ratio(xp, old, new) for old, new in pairs])
        slopes = [slope for slope, _ in chosen(names, zip(gradient, gradient, strict=True), nothing)]
    return LocalUpdate(
        gradient=by_name(gradient),
        parameters=by_name(after),
        gradient_norms=np.array([_norm(slope) for slope in slopes]),
        update_ratios=ratios,
        silent=tuple(i for i, error in enumerate(recorded.errors) if not error.any()),
        layer_names=trace.layer_names,
        samples=len(recorded.x),
        learning=table,
        has_own_words=scenario.learning is not None,
        precision=precision_of(trace),
        texts={**embedded.beside},
    )


def _masked(trace: Trace, scenario: Scenario, network: Network) -> tuple[bool, ...]:
    """Return for every output unit whether it had no target, nothing where all had."""
    if scenario.inference.output != "masked":
        return ()
    return tuple(fitting(trace, "data/mask", trace.array("data/mask"), network.layer_shapes[-1]).astype(bool).tolist())


def _words(scenario: Scenario, embedded: Embedded, overrides: str | Sequence[str]) -> LearningTable:
    """Return how to learn: as the scenario says, or by plain SGD, and as the overrides change it."""
    for override in parse_overrides(overrides):
        table, _, word = ".".join(override.path).partition(".")
        if table != "learning" or word.partition(".")[0] not in WORDS:
            allowed = ", ".join(f"learning.{word}" for word in WORDS)
            hint = did_you_mean(word or table, list(WORDS))
            raise UsageError(f"{override.typed}: an update goes by {allowed} alone; the rest is as in the trace{hint}")
    if scenario.learning is None:
        # Whatever inference came before, an update can follow: its words are read beside one that goes with training.
        plain = InferenceTable(method="state", loss="squared-error", steps=1)
        whole = scenario.data.model_copy(update={"mask": None})
        text = scenario_text(scenario.model_copy(update={"inference": plain, "data": whole, "amortiser": None}))
        embedded = replace(embedded, text=text)
        given = (overrides,) if isinstance(overrides, str) else overrides
        overrides = ("learning.optimizer=sgd", *given)
    table = embedded.parse(overrides).learning
    if table is None:
        raise AssertionError("an override of learning makes the table")
    return table


def _norm(arrays: Sequence[NDArray[np.float64]]) -> float:
    """Return the norm of all entries together, brought into range first, so that no square underflows."""
    values = np.concatenate([array.ravel() for array in arrays])
    largest = float(np.abs(values).max())
    # Neither of zeros nor beyond the numbers is there anything to scale by.
    return largest * float(np.linalg.norm(values / largest)) if largest > 0 and np.isfinite(largest) else largest
