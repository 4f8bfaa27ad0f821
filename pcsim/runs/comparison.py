"""Comparing arithmetics: the same scenario on several backends, in several precisions and forms."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from jaxtyping import Float64

from pcsim.assemble import needs_this_process
from pcsim.engine.backend import Capabilities
from pcsim.engine.registry import installed_backends, load_backend
from pcsim.errors import Interrupted, UsageError
from pcsim.interruption import signal_of, stopping_at_once, words_of
from pcsim.jobs import Processes, usable_cores
from pcsim.model.arithmetic import dtype_of, is_exact, significand_bits
from pcsim.runs.experiment import run_as_far_as_it_goes
from pcsim.runs.simulation import prepare
from pcsim.scenario import Scenario
from pcsim.scenario.arithmetic import BackendTable, implied_backend, implied_precision
from pcsim.trace import Trace, open_trace
from pcsim.trace.files import check_replaceable, check_target
from pcsim.trace.names import check_folder_name
from pcsim.typing import NDArray
from pcsim.words import Shown

WORTH_A_PROCESS = 2.0
"""Estimated seconds from which a run gets a process of its own."""


@dataclass(frozen=True)
class Combination:
    """One way to run the scenario: where, in which precision, and in which form where the method has forms."""

    scenario: Scenario
    backend: str
    precision: str
    form: str | None
    estimate: float

    @property
    def label(self) -> str:
        """Return a short name for tables and files, such as `float32 increment`."""
        bits = self.precision.startswith("{")
        precision = f"{significand_bits(self.precision)} bits" if bits else self.precision
        return " ".join(word for word in (precision, self.form) if word)

    @property
    def rank(self) -> tuple[int, int]:
        """Return a key that grows with precision; the increment form loses less than the standard one."""
        return significand_bits(self.precision), int(self.form == "increment")


@dataclass(frozen=True)
class Comparison(Shown):
    """Traces of all combinations, and how each differs from the most precise, `reference`."""

    combinations: tuple[Combination, ...]
    traces: tuple[Trace, ...]
    reference: int

    def __repr__(self) -> str:
        labels = self.labels
        return f"<Comparison of {', '.join(labels)}; the reference is {labels[self.reference]}>"

    @property
    def labels(self) -> list[str]:
        """Return a name for each combination; the backend is named where several take part."""
        several = len({c.backend for c in self.combinations if implied_precision(c.backend) is None}) > 1
        return [f"{c.backend} {c.label}" if several else c.label for c in self.combinations]

    def relative_error(self, i: int) -> Float64[NDArray[np.float64], "step layer"]:
        """Return |E − E_ref| / E_ref of combination i at the steps both recorded; 0 where both are 0."""
        ours, reference = self.traces[i], self.traces[self.reference]
        _, mine, theirs = np.intersect1d(ours.steps, reference.steps, return_indices=True)
        a, b = ours.energy[mine], reference.energy[theirs]
        with np.errstate(all="ignore"):
            error = np.abs(a - b) / np.abs(b)
        return np.where(a == b, 0.0, error)

    def silent_by_format(self, i: int) -> list[int]:
        """Return the layers that combination i never reached, and that the reference did."""
        both = self.traces[i], self.traces[self.reference]
        if any("arrival_step" not in trace for trace in both):
            return []
        ours, reference = (trace.arrival_steps for trace in both)
        return [int(layer) for layer in np.flatnonzero((ours < 0) & (reference >= 0))]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for trace in self.traces:
            trace.close()


def compare(
    scenario: Scenario,
    *,
    backend: str | Sequence[str] | None = None,
    precision: str | Sequence[str] | None = None,
    form: str | Sequence[str] | None = None,
    folder: str | Path | None = None,
    force: bool = False,
    jobs: int | None = None,
) -> Comparison:
    """Run a scenario under every combination and refer all to the most precise one.

    What is not given is the scenario's own, and if nothing is, float32 and float64 in both forms; the precision
    "exact" runs on the exact backend. Traces are kept in `folder` (created if need be), or in memory; network and data
    are in the folder once, in the most precise one, where types allow that. Runs that take seconds and are kept in a
    folder go side by side in `jobs` processes, as many as there are cores unless a number is given. Raises `UsageError`
    for a combination that cannot run and for a form where the method has none. A run that diverges is kept as far as it
    went. `Interrupted` after a signal: all runs are stopped, those that have not begun are left out.
    """
    combinations = combine(scenario, _listed(backend), _listed(precision), _listed(form))
    paths = _paths(combinations, folder)
    for path in paths:
        if path is not None:
            check_target(path, force)
            check_replaceable(path)
    reference = max(range(len(combinations)), key=lambda i: combinations[i].rank)
    traces = _run_all(combinations, paths, reference, force, jobs or usable_cores())
    return Comparison(combinations, tuple(traces), reference)


def _listed(words: str | Sequence[str] | None) -> Sequence[str] | None:
    return [words] if isinstance(words, str) else words


def combine(
    scenario: Scenario,
    backends: Sequence[str] | None,
    precisions: Sequence[str] | None,
    forms: Sequence[str] | None,
) -> tuple[Combination, ...]:
    """Return every combination that can run, in the order given.

    Raises `UsageError` for one that cannot, so that nothing is started.
    """
    if scenario.learning is not None:
        raise UsageError(
            f"{scenario.where('learning')}: inference is what is compared, of networks that do not learn; train with "
            "pcsim run, or remove [learning]"
        )
    if scenario.asks_for is not None:
        raise UsageError(
            f"{scenario.where('sweep' if scenario.sweep else 'study')}: a study is not compared as a whole; write the "
            'precisions in [sweep], as in backend.precision = ["float32", "float64"]'
        )
    if "energy" not in scenario.trace.record:
        raise UsageError(f'{scenario.where("trace.record")}: energies are what is compared; add "energy" to the list')
    implied = [word for name in backends or () if (word := implied_precision(name))]
    if implied and not any(map(is_exact, precisions or ())):
        precisions = [*(precisions or [scenario.backend.precision_name]), *implied]
    has_forms = scenario.inference.has_forms
    if forms is not None and not has_forms:
        raise UsageError(
            f"--form: method '{scenario.inference.method}' has no forms here; standard and increment are forms of "
            f"state and sequential inference with local predictions"
        )
    unknown = [word for word in forms or () if word not in ("standard", "increment")]
    if unknown:
        raise UsageError(f"--form: '{unknown[0]}' is not allowed; give standard, increment or both")
    if backends is None and precisions is None and forms is None:
        precisions, forms = ["float32", "float64"], ["standard", "increment"]
    chosen_forms = list(forms or [scenario.inference.form]) if has_forms else [None]
    found: dict[tuple[str, str, str | None], Combination] = {}
    for word in precisions or [scenario.backend.precision_name]:
        for name in _backends_for(word, scenario, backends):
            for chosen in chosen_forms:
                there = scenario.on(name, word)
                there = there.in_form("increment" if chosen == "increment" else "standard") if chosen else there
                simulation = prepare(there)
                place = there.backend
                found[place.name, place.precision_name, chosen] = Combination(
                    there, place.name, place.precision_name, chosen, simulation.estimate
                )
    if len(found) < 2:
        raise UsageError(
            "there is only one combination, and nothing to compare it with; name two precisions, "
            "such as float32,exact, or both forms, standard,increment"
        )
    return tuple(found.values())


def _backends_for(precision: str, scenario: Scenario, backends: Sequence[str] | None) -> list[str]:
    """Return the backends for a precision: those named that can, else the scenario's, numpy, or the first that can."""
    if implied := implied_backend(precision):
        return [implied]
    named = list(backends or [scenario.backend.name, BackendTable().name, *installed_backends()])
    found = {name: load_backend(name).capabilities() for name in named}
    usable = {name: able for name, able in found.items() if backends or able.problem is None}
    able = [name for name, its in usable.items() if _can_run(scenario, precision, its)]
    # A precision or solver that none has is refused, in the backend's own words, when the combination is prepared.
    return (able if backends else able[:1]) or named[:1]


def _can_run(scenario: Scenario, precision: str, able: Capabilities) -> bool:
    return precision in able.precisions and scenario.inference.solver in (None, *able.solvers)


def _paths(combinations: tuple[Combination, ...], folder: str | Path | None) -> list[Path | None]:
    if folder is None:
        return [None] * len(combinations)
    target = Path(folder)
    check_folder_name(target)
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is a file; traces and figure go into a folder: choose another with -o")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{target}: cannot be made ({error.strerror}); choose another folder with -o") from error
    return [target / f"{c.backend}-{c.label.replace(' ', '-')}.h5" for c in combinations]


def _run_all(
    combinations: tuple[Combination, ...], paths: list[Path | None], reference: int, force: bool, jobs: int
) -> list[Trace]:
    ways = [
        (combination, path, force, _holder(combination, combinations[reference], paths[reference]))
        for combination, path in zip(combinations, paths, strict=True)
    ]
    here = {i for i, c in enumerate(combinations) if c.estimate < WORTH_A_PROCESS or needs_this_process(c.scenario)}
    apart = {i: path for i, path in enumerate(paths) if path is not None and i not in here}
    # The others refer to the reference, which is therefore there first.
    order = sorted(range(len(ways)), key=lambda i: i != reference)
    if len(apart) < 2 or jobs < 2:
        found = {i: _run(*ways[i]) for i in order}
        return [found[i] for i in range(len(ways))]
    found = {i: _run(*ways[i]) for i in order if i not in apart}
    try:
        with (
            stopping_at_once(),
            closing(Processes(jobs).run(_run_apart, [ways[i] for i in order if i in apart])) as runs,
        ):
            for outcome in runs:
                if outcome.error is not None:
                    raise outcome.error
    except KeyboardInterrupt as error:
        folder, signum = next(iter(apart.values())).parent, signal_of(error)
        raise Interrupted(f"{words_of(signum)}; how far the runs came is in {folder}", None, signum) from error
    found |= {i: open_trace(path) for i, path in apart.items()}
    return [found[i] for i in range(len(ways))]


def _holder(combination: Combination, reference: Combination, path: Path | None) -> str | None:
    """Return the name of the reference's trace where that holds parameters and batch of another run to the bit."""
    mine, wide = dtype_of(combination.precision), dtype_of(reference.precision)
    # Of what is rounded twice, and of bfloat16, which files hold as float32, that cannot be said.
    holds = mine == wide or (wide == np.float64 and mine.kind == "f")
    return path.name if path is not None and combination is not reference and holds else None


def _run(combination: Combination, path: Path | None, force: bool, shared_in: str | None) -> Trace:
    return run_as_far_as_it_goes(combination.scenario, path, force, shared_in)


def _run_apart(combination: Combination, path: Path | None, force: bool, shared_in: str | None) -> None:
    _run(combination, path, force, shared_in).close()
