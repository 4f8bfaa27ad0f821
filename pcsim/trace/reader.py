"""Read a trace: finished, killed, kept in memory, or still being written."""

from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pcsim.errors import UsageError
from pcsim.trace.arrays import Attributes, check_array, datasets_of, hint, require_open, whole_numbers
from pcsim.trace.files import identity, open_file, reading
from pcsim.trace.history import History
from pcsim.trace.journal import journal_path
from pcsim.trace.layout import FORMAT_VERSION
from pcsim.trace.objects import read_attributes
from pcsim.trace.opening import texts
from pcsim.trace.rows import clock_of, growing_by_clock, grows, whole_rows
from pcsim.trace.scales import is_scale
from pcsim.trace.shared import as_left, holder_of
from pcsim.trace.tables import Tabled
from pcsim.trace.training import GROUP
from pcsim.typing import NDArray
from pcsim.version import __version__


class Trace(Tabled):
    """What happened in a run; every array is read when asked for. A context manager that closes the file.

    While the run still writes, arrays along a clock are as long as the rows known to be whole; `refresh`
    looks for more. Arrays the trace does not hold raise UsageError, those marked optional are None.
    """

    def __init__(self, file: Any, path: Path | None) -> None:
        self.path = path
        self.file = file
        self._identity = identity(path)
        self._left: dict[str, NDArray[Any]] | None = None
        self._load()

    def _load(self) -> None:
        with reading(self.path):
            self.attributes = Attributes(read_attributes(self.file), self.path)
            self._check_version()
            self.clock = "step" if "step" in self.file else "time"
            self.layer_names: tuple[str, ...] = texts(self.file["layer_name"])
            self.layer_widths = whole_numbers(self.file["layer_width"])
            self._streams = growing_by_clock(self.file)
            self._learned: tuple[str, ...] | None = None
            self._count()

    def _check_version(self) -> None:
        version = int(self.attributes.get("format_version", ""))
        if version > FORMAT_VERSION:
            raise UsageError(
                f"{self.path} is written in trace format {version}, this pcsim {__version__} reads up to "
                f"{FORMAT_VERSION}; upgrade pcsim"
            )

    def refresh(self) -> None:
        """Look for rows written since, and for the finished file once the run is over."""
        require_open(self.file, self.path)
        now = identity(self.path)
        if self.path is not None and now is not None and now != self._identity:
            file = open_file(self.path)
            self.file.close()
            self.file, self._identity = file, now
            self._load()
            return
        with reading(self.path):
            for stream in chain(*self._streams.values()) if self.file.swmr_mode else ():
                stream.refresh()
            self._count()

    def _count(self) -> None:
        clocks = (self.clock, *(clock for clock in self._streams if clock != self.clock))
        self.rows_by_clock = {c: whole_rows(self.file[c], self._streams.get(c, [])) for c in clocks}
        self.rows = self.rows_by_clock[self.clock]

    @property
    def status(self) -> str:
        """`running`, `complete`, `interrupted` or `failed`."""
        return str(self.attributes.get("status", "running"))

    @property
    def steps(self) -> Int[NDArray[Any], " step"] | Float[NDArray[Any], " step"]:
        """The recorded steps, or times where the clock is `time`."""
        clock = self.array(self.clock)
        if clock.dtype.kind == "f" and not np.isfinite(clock).all():
            raise UsageError(f"{self.path or 'the trace'}: {self.clock} has entries that are no finite numbers")
        return clock

    @property
    def last_clock(self) -> float:
        """The last recorded step or time, 0 where there is none yet."""
        return float(self.steps[-1]) if self.rows else 0.0

    @property
    def energy(self) -> Float[NDArray[Any], "step layer"]:
        """Layerwise energies, batch means; row 0 is the start."""
        return self.array("energy")

    @property
    def energy_bound(self) -> Float[NDArray[Any], "step layer"] | None:
        """How far each energy can be from the true one, rigorously, where the backend knows."""
        return self.array("energy_bound") if "energy_bound" in self else None

    @property
    def grad_norm(self) -> Float[NDArray[Any], "step layer"] | None:
        """Norms of the gradient of the moving variable, batch means, where recorded."""
        return self.array("grad_norm") if "grad_norm" in self else None

    @property
    def energy_per_sample(self) -> Float[NDArray[Any], "step layer sample"] | None:
        """Layerwise energies of each sample, where recorded."""
        return self.array("energy_per_sample") if "energy_per_sample" in self else None

    @property
    def arrival_steps(self) -> Int[NDArray[Any], " layer"]:
        """First step with a non-zero error in each layer, -1 if never; of a flow the solver's steps by then."""
        return self.array("arrival_step")

    @property
    def arrival_times(self) -> Float[NDArray[Any], " layer"]:
        """First recorded time with a non-zero error in each layer, NaN if never; of runs in continuous time."""
        return self.array("arrival_time")

    @property
    def solver_work(self) -> dict[str, NDArray[Any]]:
        """What the solver did for every sample, `steps`, `rejected` and `evaluations`; empty for discrete runs."""
        return self._group("solver")

    @property
    def equilibria(self) -> dict[str, NDArray[Any]]:
        """Where the search for every sample's equilibrium ended, by name; empty for other methods."""
        return self._group("equilibrium")

    @property
    def final_states(self) -> list[NDArray[Any]]:
        """States at the end of inference, (sample, *unit) for each layer, the output's last."""
        return self._layers("final/states")

    @property
    def final_errors(self) -> list[NDArray[Any]]:
        """Errors at the end of inference, (sample, *unit) for each layer."""
        return self._layers("final/errors")

    @property
    def final_output(self) -> NDArray[Any]:
        """Output prediction at the end of inference, (sample, *unit)."""
        return self.array("final/output")

    @property
    def final_input(self) -> NDArray[Any] | None:
        """The free input at the end of inference, (sample, *unit); None where the input was clamped."""
        return self.array("final/input") if "final/input" in self else None

    @property
    def gradient(self) -> dict[str, NDArray[Any]]:
        """Weight gradients at the end of inference by parameter name; empty where not recorded."""
        return self._group("final/gradient")

    @property
    def network(self) -> dict[str, NDArray[Any]]:
        """Parameters before the run by name: `W_0`, `b_0`, …"""
        return self._group("network")

    @property
    def trained(self) -> dict[str, NDArray[Any]]:
        """Parameters after training by name, in the type of the run; empty where nothing was trained."""
        return self._group("final/network")

    @property
    def data(self) -> dict[str, NDArray[Any]]:
        """Inputs `x` and targets `y`, where there are any."""
        return self._group("data")

    @property
    def training(self) -> History:
        """Losses, accuracies and energies by `update` or `epoch`; empty where nothing was trained."""
        require_open(self.file, self.path)
        if self._learned is None:  # looking at every array for its name takes longer than reading one
            with reading(self.path):
                found = datasets_of(self.file, GROUP, len(self.layer_names)) if GROUP in self else {}
                self._learned = tuple(name for name, item in found.items() if grows(item) or not is_scale(item))
        return History(self._learned, lambda name: self.array(f"{GROUP}/{name}"), self.layer_names)

    @property
    def kept_row(self) -> int | None:
        """Row of the epoch whose parameters are kept: the last one, or the best where training stopped early.

        None where it is missing: training went on from a checkpoint whose trace was gone.
        """
        epochs = self.training["epoch"]
        rows = np.flatnonzero(epochs == int(self.attributes.get("epoch_kept", epochs[-1] if len(epochs) else 0)))
        return int(rows[0]) if len(rows) else None

    @property
    def provenance(self) -> dict[str, str]:
        """Where the trace comes from: scenario text, versions, command line."""
        require_open(self.file, self.path)
        with reading(self.path):
            return {name: str(value) for name, value in read_attributes(self.file["provenance"]).items()}

    def states(self, layer: int, rows: slice = slice(None)) -> NDArray[Any]:
        """Return recorded states of a layer, (record, sample, *unit), or some rows of them."""
        return self.array(f"states/layer_{layer}", rows)

    def errors(self, layer: int, rows: slice = slice(None)) -> NDArray[Any]:
        """Return recorded errors of a layer, (record, sample, *unit), or some rows of them."""
        return self.array(f"errors/layer_{layer}", rows)

    def array(self, path: str, rows: slice = slice(None)) -> NDArray[Any]:
        """Return the array at a path below the root, or some of its rows; UsageError where there is none."""
        if path not in self:
            raise self.lacks(path)
        if path in self._shared:
            return self._shared[path][rows]
        with reading(self.path):
            return self._read(path, self.file[path], rows)

    def _read(self, path: str, dataset: Any, rows: slice = slice(None)) -> NDArray[Any]:
        check_array(self.path or "the trace", path, dataset, len(self.layer_names))
        if grows(dataset):
            return dataset[slice(*rows.indices(self.rows_by_clock[clock_of(path, self.clock)]))]
        return np.asarray(dataset[()])[rows] if dataset.shape else np.asarray(dataset[()])

    def close(self) -> None:
        """Close the file; what is in memory only is gone."""
        self.file.close()

    def __contains__(self, path: str) -> bool:
        require_open(self.file, self.path)
        with reading(self.path):
            found = path in self.file
        return found or any(f"{name}/".startswith(f"{path}/") for name in self._shared)

    def __enter__(self) -> "Trace":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _shared(self) -> dict[str, NDArray[Any]]:
        """Arrays by path that a trace beside this one holds for it; none where that is gone or holds others."""
        holder = holder_of(self.path, self.attributes)
        if holder is None:
            return {}
        if self._left is None and holder.is_file():
            with open_trace(holder) as other:
                if holder_of(holder, other.attributes) is None:
                    self._left = as_left(self.attributes, other.network, other.data)
        return self._left or {}

    def lacks(self, path: str) -> UsageError:
        """Return the error for an array that the trace does not hold, and why it does not."""
        holder = holder_of(self.path, self.attributes)
        why = hint(path)
        if holder is not None and path.startswith(("network", "data")):
            why = f": it was left to {holder}, which is gone or another one; bring that back, or run again"
        return UsageError(f"{self.path or 'the trace'} (status {self.status}) holds no {path}{why}")

    def _layers(self, group: str) -> list[NDArray[Any]]:
        found = self._group(group)
        names = [f"layer_{i}" for i in range(len(found))]
        if missing := [group] if not found else [f"{group}/{name}" for name in names if name not in found]:
            raise self.lacks(missing[0])
        return [found[name] for name in names]

    def _group(self, path: str) -> dict[str, NDArray[Any]]:
        if path not in self:
            return {}
        shared = [name.partition("/")[2] for name in self._shared if name.startswith(f"{path}/")]
        if shared:
            return {name: self.array(f"{path}/{name}") for name in shared}
        with reading(self.path):
            found = datasets_of(self.file, path, len(self.layer_names))
            return {name: self._read(f"{path}/{name}", item) for name, item in found.items() if not is_scale(item)}


def open_trace(path: Path | str) -> Trace:
    """Open a trace, also while its run still writes it or after that was killed.

    UsageError, one line, for a missing, unreadable, damaged or foreign file and for a newer format.
    """
    file = open_file(Path(path))
    try:
        return Trace(file, Path(path))
    except UsageError:
        file.close()
        if journal_path(Path(path)).exists():
            raise UsageError(f"{path} was left by a run that was killed; `pcsim repair {path}` restores it") from None
        raise
