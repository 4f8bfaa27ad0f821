"""Bidirectional predictive coding: states between predictions from below and from above (Oliviers et al. 2025)."""

from dataclasses import dataclass

from pcsim.inference.base import Traits
from pcsim.inference.state import StateOptimization


@dataclass(frozen=True)
class Bidirectional(StateOptimization):
    """SO on the energy of a network with top-down predictions, from the bottom-up pass on.

    E = Σ_i γ_i/2 ‖s_i − f_i(s_{i−1})‖² + α/2 Σ_i ‖s_{i−1} − t_i(s_i)‖², i = 0 … N−1, with the input s_{−1} and the
    output s_{N−1} clamped or free (`pcsim.model.top_down`). Both sets of weights learn from their own errors alone.

    Source: arXiv 2505.23415, whose α_gen/α_disc is α; precisions γ_i are ours, and 1 for the output.
    """

    name = "bidirectional"
    traits = Traits(predicts_down=True)
