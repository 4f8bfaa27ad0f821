"""What leaves no sense to a step size that is found from the curvature, `step_size = "auto"`."""

from collections.abc import Iterator, Mapping
from typing import Any

from pcsim.extensions import KINDS
from pcsim.scenario.fields import Inconsistency, clash
from pcsim.scenario.flow import CONSTANT

NOT_LOOKED_AT = "whose energy is another than that whose curvature is looked at"


def automatic_step_problems(inference: Mapping[str, Any]) -> Iterator[Inconsistency]:
    """Yield what in an `[inference]` table, by key, does not go with an automatic step size."""
    own = inference["optimizer"] not in KINDS["stepper"].shipped
    why = "of which nobody knows where it is stable" if own else "which scales every gradient by its own size"
    methods = {
        "precision-weighted": "whose precisions rise to 1 / step_size",
        "equilibrium-propagation": NOT_LOOKED_AT,
        "bidirectional": NOT_LOOKED_AT,
    }
    reasons = {
        "optimizer": (own or inference["optimizer"] == "adam", why, 'optimizer = "gd"'),
        "predictions": (
            inference["predictions"] == "fixed",
            "under which no energy descends",
            'predictions = "local"',
        ),
        "method": (inference["method"] in methods, methods.get(inference["method"], ""), 'method = "state"'),
        "solver": (
            inference["solver"] is not None,
            "whose accuracy needs other steps than stability",
            "" if inference["solver"] in CONSTANT else "rtol and atol",
        ),
    }
    for key, (is_there, why, instead) in reasons.items():
        if is_there:
            other = f'{key} = "{inference[key]}", {why}'
            yield clash('inference.step_size = "auto"', other, "give a number" + (f", or {instead}" if instead else ""))
