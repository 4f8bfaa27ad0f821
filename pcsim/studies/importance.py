"""How much every key of a scenario matters for what runs come to, by Optuna."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

WIDE = 4.0
"""Ratio of a key's largest to its smallest value above which it is taken by its logarithm."""


def importance(values: Sequence[Mapping[str, Any]], ranks: Sequence[float], keys: Sequence[str]) -> dict[str, float]:
    """Return the importance of every key, from 0 to 1 and 1 together: what it does to be among the best tenth.

    `ranks` are numbers to be made small; of runs without a key its value counts as a word of its own. PED-ANOVA
    (Watanabe, Bansal and Hutter 2023), NaN where nothing matters.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    found = {key: _distribution([each.get(key) for each in values]) for key in keys}
    for each, rank in zip(values, ranks, strict=True):
        own = {key: each[key] if key in each and _is_number(each[key]) else str(each.get(key)) for key in keys}
        study.add_trial(optuna.trial.create_trial(params=own, distributions=found, value=rank))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _distribution(values: Sequence[Any]) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if not all(map(_is_number, values)):
        return CategoricalDistribution(sorted({str(value) for value in values}))
    low, high = float(min(values)), float(max(values))
    return FloatDistribution(low, high, log=low > 0 and high > WIDE * low)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
