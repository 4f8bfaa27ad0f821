"""Solvers for continuous time."""
