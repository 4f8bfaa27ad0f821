"""The kinds of things that join by a name: the words that ship, and what a user's own must have."""

from dataclasses import dataclass
from typing import Any, Literal

PART_NEEDS = (
    "parameters multiplications output_shape forward pullback pushforward gradient second bend anchor increment"
)


@dataclass(frozen=True)
class Kind:
    """A kind: its words that ship, the methods and fields that its objects need, and the base class that has most.

    An object is `given`, or what makes one for every run: a class, or a function. `lenders` are packages whose own go
    by their names there, `optax.lion`, where a backend takes them.
    """

    name: str
    shipped: tuple[str, ...]
    needs: tuple[str, ...]
    advice: str
    given: Literal["object", "class", "function"] = "class"
    lenders: tuple[str, ...] = ()


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "activation",
            ("linear", "tanh", "sigmoid", "relu", "leaky_relu", "gelu"),
            ("forward", "pullback", "second", "anchor", "increment"),
            "derive it from pcsim.bases.SmoothActivation, which needs value and slope",
            given="object",
        ),
        Kind(
            "stepper",
            ("gd", "momentum", "adam"),
            ("step_size", "begin", "increment"),
            "derive it from pcsim.bases.PlainStepper, which needs increment",
        ),
        Kind(
            "inference",
            (
                "state",
                "error",
                "sequential",
                "precision-weighted",
                "augmented-lagrangian",
                "equilibrium-propagation",
                "bidirectional",
                "equilibrium",
                "backprop",
            ),
            ("name", "traits", "with_energy", "clamp", "begin", "evaluate", "advance"),
            "derive it from pcsim.bases.StateOptimization, ErrorOptimization or Simultaneous",
        ),
        Kind(
            "optimizer",
            ("sgd", "momentum", "adam", "adamw", "mq"),
            ("begin", "update"),
            "derive it from pcsim.bases.PlainOptimizer, which needs update",
            lenders=("optax",),
        ),
        Kind(
            "loss",
            ("squared-error", "cross-entropy", "binary-cross-entropy"),
            ("value", "error", "curvature_bound", "curvature", "output_state"),
            "derive it from pcsim.bases.SmoothLoss, which needs value and error",
            given="object",
        ),
        Kind(
            "part",
            (),
            tuple(PART_NEEDS.split()),
            "derive it from pcsim.bases.CurvedPart, which needs value and pullback, or from pcsim.bases.Affine",
        ),
        Kind(
            "dataset",
            (
                "digits",
                "mnist",
                "fashion-mnist",
                "emnist",
                "svhn",
                "cifar-10",
                "cifar-100",
                "mnist1d",
                "gaussian-line",
                "npz",
            ),
            (),
            "give a function of a seed that returns x and y, or x, y, x_test and y_test",
            given="function",
        ),
        Kind(
            "backend",
            ("cupy", "exact", "jax", "numba", "numpy"),
            ("capabilities", "estimate", "settle"),
            "give a class with the methods of pcsim.engine.backend.Backend",
        ),
    )
}

MADE_OF_WORDS = ("stepper", "optimizer")
"""Kinds whose classes are made with the words of a scenario that name one of their fields."""


def lender(kind: str, word: Any) -> str | None:
    """Return the package that a word names a thing of, `optax` of `optax.lion`; None for all other words."""
    package, dot, _ = word.partition(".") if isinstance(word, str) else ("", "", "")
    return package if dot and package in KINDS[kind].lenders else None
