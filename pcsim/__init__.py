"""Simulate predictive coding networks: scenarios in, layerwise energy traces out."""

__version__ = "0.1.0"
