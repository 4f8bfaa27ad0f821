"""Weights files, `.npz` or `.safetensors`: a network's parameters as W0, b0, W1, …, and the scenario they are of."""

from pcsim.weights.files import check_weights_target, embedded_texts, write_weights
from pcsim.weights.parameters import read_parameters

__all__ = ["check_weights_target", "embedded_texts", "read_parameters", "write_weights"]
