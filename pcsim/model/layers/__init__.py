"""Layers: chains of parts, each of which knows its own local Jacobian products.

A `Part` is one of a few maps: a matrix, a convolution, an activation, a pool, a norm. A `Layer` places chains of them
in the network: which states they read, how they are summed, and what is made of the sum. The dynamics only ever see
layers, so that new parts join without touching them.
"""

from pcsim.model.layers.affine import Affine, Flatten, Scale
from pcsim.model.layers.chain import Chain
from pcsim.model.layers.convolution import Convolution
from pcsim.model.layers.curved import CurvedPart
from pcsim.model.layers.dense import Dense
from pcsim.model.layers.dense_layer import DenseLayer, dense_layer, read_as_dense
from pcsim.model.layers.first_order import FirstOrder
from pcsim.model.layers.layer import Branch, Layer
from pcsim.model.layers.norm import BatchNorm, LiveBatchNorm
from pcsim.model.layers.part import Anchor, Parameter, Part, Saved, Second, Shape
from pcsim.model.layers.pointwise import Pointwise
from pcsim.model.layers.pool import AveragePool, MaxPool
from pcsim.model.layers.start import Start

__all__ = [
    "Affine",
    "Anchor",
    "AveragePool",
    "BatchNorm",
    "Branch",
    "Chain",
    "Convolution",
    "CurvedPart",
    "Dense",
    "DenseLayer",
    "FirstOrder",
    "Flatten",
    "Layer",
    "LiveBatchNorm",
    "MaxPool",
    "Parameter",
    "Part",
    "Pointwise",
    "Saved",
    "Scale",
    "Second",
    "Shape",
    "Start",
    "dense_layer",
    "read_as_dense",
]
