"""Labels that are texts: classes by name, numbered in the order of the alphabet."""

from typing import Any

import numpy as np
from jaxtyping import Int64

from pcsim.errors import UsageError
from pcsim.typing import NDArray

_SHOWN = 12


def are_names(labels: NDArray[Any]) -> bool:
    """Tell whether labels are texts."""
    return labels.dtype.kind in "US"


def class_names(labels: NDArray[Any], where: str) -> tuple[str, ...]:
    """Return the classes that labels (samples,) name, sorted; raises `UsageError` for another shape, and for none."""
    if labels.ndim != 1 or not len(labels):
        raise UsageError(f"{where} has shape {labels.shape}; labels that are texts have shape (samples,), one or more")
    return tuple(map(_text, np.unique(labels).tolist()))


def numbered(labels: NDArray[Any], classes: tuple[str, ...], where: str) -> Int64[np.ndarray, " samples"]:
    """Return the place of every label among the classes.

    Raises `UsageError`, naming the first sample, for labels that are no texts, and for classes of which there is none.
    """
    if not are_names(labels) or labels.ndim != 1:
        raise UsageError(
            f"{where} holds {labels.dtype} of shape {labels.shape}; needed are texts (samples,), as y has them"
        )
    places = {name: k for k, name in enumerate(classes)}
    texts = list(map(_text, labels.tolist()))
    unknown = next((k for k, text in enumerate(texts) if text not in places), None)
    if unknown is not None:
        raise UsageError(
            f"{where}: label {texts[unknown]!r} of sample {unknown} is none of the {len(classes)} to learn from: "
            f"{in_words(classes)}"
        )
    return np.array([places[text] for text in texts], np.int64)


def in_words(classes: tuple[str, ...]) -> str:
    """Return the names in their order, the first few of many."""
    shown = ", ".join(map(repr, classes[:_SHOWN]))
    return shown if len(classes) <= _SHOWN else f"{shown} and {len(classes) - _SHOWN} more"


def _text(label: str | bytes) -> str:
    return label.decode(errors="backslashreplace") if isinstance(label, bytes) else label
