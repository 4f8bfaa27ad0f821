"""Parameters, and what optimisers remember of them, by layer or stacked by groups of equal layers."""

from typing import Any

from pcsim.learning.optimizers import SGD, Adam, AdamW, Momentum, Optimizer
from pcsim.model.arrays import Namespace
from pcsim_cupy.kernels.plan import Plan

ELEMENTWISE = (SGD, Momentum, Adam, AdamW)
"""Optimisers that treat every number alike: to them a stack of arrays is one array."""


def goes_together(optimizer: Optimizer) -> bool:
    """Return whether an optimiser does to stacked arrays what it does to each of them."""
    return isinstance(optimizer, ELEMENTWISE)


def split(plan: Plan, stacks: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    """Return what is stacked by groups as views by layer; a layer without parameters has none."""
    layers: list[dict[str, Any]] = [{} for _ in range(plan.count)]
    for group, stack in zip(plan.groups, stacks, strict=True):
        for i in group.layers:
            layers[i] = {name: _part(value, i - group.first) for name, value in stack.items()}
    return tuple(layers)


def join(xp: Namespace, plan: Plan, layers: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    """Return what there is by layer in new stacks by groups."""
    return tuple(
        {name: _stack(xp, [layers[i][name] for i in group.layers]) for name in layers[group.first]}
        for group in plan.groups
    )


def _part(value: Any, at: int) -> Any:
    return tuple(array[at] for array in value) if isinstance(value, tuple) else value[at]


def _stack(xp: Namespace, values: list[Any]) -> Any:
    if isinstance(values[0], tuple):
        return tuple(xp.stack(arrays) for arrays in zip(*values, strict=True))
    return xp.stack(values)
