"""Layers: forward maps with their local Jacobian products.

An `Operation` maps one state to a prediction and knows its own local Jacobian; a `Layer` places an operation in the
chain: which state it reads, how it is scaled, and which earlier state it adds (a skip). The dynamics only ever see
layers, so that new operations join without touching them.
"""

from pcsim.model.layers.dense import ActivationFirst, WeightsFirst
from pcsim.model.layers.layer import Layer
from pcsim.model.layers.operation import Anchor, Operation, Saved, Second
from pcsim.model.layers.start import Start

__all__ = ["ActivationFirst", "Anchor", "Layer", "Operation", "Saved", "Second", "Start", "WeightsFirst"]
