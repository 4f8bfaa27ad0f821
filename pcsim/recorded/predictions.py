"""What a network answered in an evaluation, as a file."""

from pathlib import Path
from typing import Any

import numpy as np

from pcsim.errors import UsageError
from pcsim.recorded.evaluation import Scores
from pcsim.trace.atomic import replacing
from pcsim.trace.files import check_target
from pcsim.typing import NDArray


def check_predictions_target(path: Path, force: bool) -> Path:
    """Return the resolved path if predictions can be written there; `UsageError` with the fix otherwise."""
    if path.suffix != ".npz":
        raise UsageError(f"{path}: predictions are written as .npz; give the file that ending")
    return check_target(path, force)


def write_predictions(scores: Scores, path: str | Path, *, force: bool = False) -> None:
    """Write, for every part of the data, `test_answers` and the like, and where there are classes `test_predicted`.

    With those come the classes of the targets, `test_actual`; samples are in file order. Raises `UsageError` for
    another ending, and for a file that exists unless `force` is given.
    """
    target = check_predictions_target(Path(path), force)
    arrays: dict[str, NDArray[Any]] = {}
    for part, score in scores.parts.items():
        found = {"answers": score.answers, "predicted": score.predicted, "actual": score.actual}
        arrays |= {f"{part}_{name}": array for name, array in found.items() if array is not None}
    members: dict[str, Any] = dict(arrays)
    with replacing(target, new=not force) as temporary, temporary.open("xb") as file:
        np.savez(file, **members)
