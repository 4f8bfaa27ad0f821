"""What a newer layer replaces in `[learning]`: the rule by another method, the list of seeds by one seed."""

from pcsim.scenario.learning import fits
from pcsim.scenario.tree import Tree

_METHOD = ("inference", "method")
_RULE = ("learning", "rule")
_SEED = ("seed",)
_SEEDS = ("learning", "seeds")


def settle_training(tree: Tree) -> list[str]:
    """Drop an older rule that a newer method does not go with, and older seeds where a newer seed is; return notes."""
    notes: list[str] = []
    rule, method = tree.get(_RULE), tree.get(_METHOD)
    if isinstance(rule, str) and isinstance(method, str) and not fits(rule, method):
        notes += tree.drop_older(_RULE, tree.place(_METHOD), f"not used by method '{method}'")
    if (seed := tree.get(_SEED)) is not None:
        notes += tree.drop_older(_SEEDS, tree.place(_SEED), f"replaced by seed {seed}")
    return notes
