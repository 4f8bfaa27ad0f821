"""Pieces of figures that several of them share: axes, lines of layers, courses of training, completed samples."""
