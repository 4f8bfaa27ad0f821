"""The `[study]` table: what is measured over the runs of a sweep, or computed instead of one."""

from typing import Literal

from pcsim.scenario.fields import Table

Kind = Literal[
    "energies",
    "energy-maps",
    "signal-map",
    "signal-profile",
    "convergence",
    "difficulty",
    "distance-to-rest",
    "arrivals",
    "preconditioner",
    "conditioning",
    "inference-rate",
    "activity-norms",
    "energy-to-loss",
    "forward-pass",
    "learning-curves",
    "final-accuracy",
    "rate-transfer",
    "local-errors",
    "update-sizes",
    "update-cost",
    "proximal-objective",
    "proximal-steps",
    "activity-steps",
    "equilibrated-energy",
    "saddle-escape",
    "saddle-landscape",
    "saddle-spectrum",
    "search",
    "step-directions",
    "update-cosines",
    "weight-noise",
]


class StudyTable(Table):
    """What is measured over the runs of a sweep, or computed, and drawn by `pcsim plot` (`[study]`)."""

    kind: Kind = "energies"
    """energies: layerwise energies of every run, and what training came to; energy-maps: the same as heat maps with
    one colour scale; signal-map: one run of state optimization beside eq. 4, likewise; signal-profile: gradients
    beside the closed form for fixed predictions; convergence: distance of states from the exact equilibrium of a
    deep linear network, step by step; difficulty: energies of easy and hard samples in a trained network;
    distance-to-rest: of the easiest and the hardest image, from where error optimization ends; arrivals: which
    samples reach which layers, by their loss; preconditioner: gradients and a step of error optimization beside
    those of the states; conditioning: condition number of the activity Hessian; inference-rate: steps of inference
    against that number; activity-norms: sizes of the activities and of the exact equilibrium; energy-to-loss: the
    loss over the energy at equilibrium; forward-pass: size of the activities by layer; local-errors: squared errors
    by layer and step; learning-curves: losses and accuracies by epoch, and losses by seconds; final-accuracy: test
    accuracy over steps of inference, depth or width; rate-transfer: the least training loss over learning rate and
    step size, a map a width and depth; update-sizes: how far updates move the weights of every layer; update-cost:
    matrix products and memory of an update; proximal-objective: loss and size of the update that every step of
    inference would make; proximal-steps: how near updates come to the implicit gradient step. Where there is
    [learning], convergence, difficulty, distance-to-rest and arrivals train by it once, then infer in every run. Of
    learning itself: activity-steps: inference of two hidden units beside trust-region steps; equilibrated-energy:
    theory beside converged inference while a deep linear network learns; saddle-escape: the loss by update;
    saddle-landscape: loss and equilibrated energy over the weights of one hidden unit; saddle-spectrum: eigenvalues
    of their Hessians at the origin; step-directions: where steps in weight space point; update-cosines: how well
    updates point to the nearest optimum, batch by batch; weight-noise: what noise on trained weights costs."""
