"""The `[study]` table: what is measured over the runs of a sweep, or computed instead of one."""

from typing import Literal

from pcsim.scenario.fields import Table

Kind = Literal[
    "energies",
    "signal-profile",
    "convergence",
    "difficulty",
    "conditioning",
    "inference-rate",
    "energy-to-loss",
    "forward-pass",
    "learning-curves",
]


class StudyTable(Table):
    """What is measured over the runs of a sweep, or computed, and drawn by `pcsim plot` (`[study]`)."""

    kind: Kind = "energies"
    """energies: layerwise energies of every run, and what training came to; signal-profile: gradients beside the
    closed form for fixed predictions; convergence: distance of states from the exact equilibrium of a deep linear
    network, step by step; difficulty: energies of easy and hard samples in a trained network; conditioning: condition
    number of the activity Hessian; inference-rate: steps of inference against that number; energy-to-loss: the loss
    over the energy at equilibrium; forward-pass: size of the activities by layer; learning-curves: losses and
    accuracies by epoch. Where there is [learning], convergence and difficulty train by it once, then infer in every
    run."""
