"""Steps of one kind that a newer layer replaces by another: discrete or a solver's, constant or adaptive."""

from collections.abc import Callable
from typing import Any

from pcsim.scenario.flow import TOLERANCES
from pcsim.scenario.locate import KeyPath
from pcsim.scenario.tree import Place, Tree

_SOLVER = ("inference", "solver")
_METHOD = ("inference", "method")
_STEP_SIZE = ("inference", "step_size")


def replace_motion(tree: Tree, inference: dict[str, Any], place_of: Callable[[KeyPath], Place]) -> list[str]:
    """Drop an older step size where a newer `inference` table goes over to a solver or leaves it; return notes.

    The step size of discrete steps would otherwise turn silently into that of a solver, and the other way round.
    """
    solver = tree.get(_SOLVER)
    if solver is None and "solver" in inference:
        reason = f"meant for discrete steps, not for solver '{inference['solver']}'"
        return tree.drop_older(_STEP_SIZE, place_of(_SOLVER), reason)
    if solver is not None and inference.get("method") == "sequential":
        reason = f"meant for solver '{solver}', not for method 'sequential'"
        return tree.drop_older(_STEP_SIZE, place_of(_METHOD), reason)
    return []


def still_replaced(tree: Tree, notes: list[str]) -> list[str]:
    """Return the notes of `replace_motion` that are worth telling: none where a step size was given again later."""
    return [] if tree.get(_STEP_SIZE) is not None else notes


def settle_steps(tree: Tree) -> list[str]:
    """Drop tolerances where a newer layer has a step size, or that where a newer one has tolerances; return notes.

    Where one layer has both, they stay, to be told as a mistake.
    """
    written = [path for path in (("inference", key) for key in TOLERANCES) if tree.get(path) is not None]
    if tree.get(_SOLVER) is None or tree.get(_STEP_SIZE) is None or not written:
        return []
    step_size = tree.place(_STEP_SIZE)
    newest = max((tree.place(path) for path in written), key=lambda place: place.layer)
    if newest.layer > step_size.layer:
        return tree.drop_older(_STEP_SIZE, newest, "not used beside tolerances")
    return [note for path in written for note in tree.drop_older(path, step_size, "not used beside a step size")]
