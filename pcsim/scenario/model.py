"""A scenario as the program sees it: one validated, frozen reading of a TOML file."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, Self

from pydantic import PrivateAttr, model_validator

from pcsim.model.arithmetic import NARROW
from pcsim.model.network import Network
from pcsim.scenario.amortiser import AmortiserTable, amortiser_problems
from pcsim.scenario.arithmetic import BackendTable
from pcsim.scenario.augment import augment_problems
from pcsim.scenario.bidirectional import bidirectional_problems
from pcsim.scenario.fields import (
    Allowed,
    Count,
    CountOrZero,
    FilePath,
    Flag,
    Fraction,
    Inconsistency,
    NonNegative,
    Number,
    OpenWord,
    Table,
    Text,
    require_consistent,
)
from pcsim.scenario.inference import InferenceTable
from pcsim.scenario.learning import LearningTable, learning_problems
from pcsim.scenario.mask import MASK, Half, Masked, mask_problems
from pcsim.scenario.network import NetworkTable
from pcsim.scenario.scaling import SCALING, ChannelScaling, ScalingWord
from pcsim.scenario.search import EXAMPLE as EXAMPLE_OF_SEARCH
from pcsim.scenario.search import SearchTable, search_problems
from pcsim.scenario.study import StudyTable
from pcsim.scenario.sweep import EXAMPLE, Sweep
from pcsim.scenario.trace import TraceTable
from pcsim.words import Shown, count


class DataTable(Table):
    """Where the samples come from (`[data]`)."""

    name: Annotated[str, OpenWord("dataset")]
    """The data set: digits ships, mnist1d and gaussian-line are generated, the others are read from files."""
    file: Annotated[FilePath | None, Allowed("the path of a file or folder, in quotes")] = None
    """File or folder with the data: needed by npz; the others are also looked for in the data folder."""
    channels: Literal["first", "last"] = "last"
    """Where the images of an npz file have their channels: (samples, c, h, w) or (samples, h, w, c)."""
    scaling: Annotated[ChannelScaling | ScalingWord | None, SCALING] = None
    """How pixels become numbers: symmetric, on [-1, 1]; unit, on [0, 1]; standard, with mean 0 and deviation 1 in every
    channel of the samples that are learned from (of cifar-10 and cifar-100 by the EO paper's constants); or on [0, 1]
    and then by a mean and a deviation. Without it images of bytes are symmetric, and other samples of npz used as they
    are; its floats are pixels on [0, 1] where a scaling is given."""
    task: Literal["supervised", "generative", "autoencoding"] = "supervised"
    """What is input and what target: sample and label; the other way round, label and sample; or the sample twice."""
    batch: Annotated[Count | None, Allowed("a whole number, 1 or more")] = None
    """Samples in one inference run; without it up to 64."""
    split: Literal["train", "test"] = "train"
    """Which samples the inference run takes: those to learn from, or those to test on."""
    mask: Annotated[Half | Masked | None, MASK] = None
    """Units that are hidden where inference.input or inference.output is "masked", the same in every sample: a half of
    an image, a share of all units drawn once, or the array mask (true: hidden) of an npz file."""
    shuffle: Flag = False
    """Whether to draw the samples at random instead of taking the first ones."""
    seed: Annotated[CountOrZero | None, Allowed("a whole number, 0 or more")] = None
    """Seed of generated data and of shuffling; without it the scenario's seed."""
    slope: Number = -1.0
    """Slope of gaussian-line, y = slope x + noise."""
    noise: NonNegative = 0.0
    """Standard deviation of the noise of gaussian-line."""
    samples: Annotated[Count | None, Allowed("a whole number, 1 or more")] = None
    """Training samples that [learning] takes, the first ones in file order; without it all."""
    validation: Fraction = 0.0
    """Share of the training samples that [learning] holds out, to tell when to stop."""
    validation_seed: Annotated[CountOrZero | None, Allowed("a whole number, 0 or more")] = None
    """Seed that draws the share data.validation, the same samples for all seeds; without it the scenario's seed."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.name == "npz" and self.file is None:
            text = 'data.file is missing; name = "npz" reads its samples from it, as in file = "samples.npz"'
            require_consistent([Inconsistency(("data.name",), text)])
        if self.validation_seed is not None and self.validation == 0:
            text = "data.validation_seed is not used without data.validation; remove it, or hold out a share, as in 0.1"
            require_consistent([Inconsistency(("data.validation_seed",), text)])
        return self


@dataclass(frozen=True)
class Reading:
    """How a scenario was read: notes for the user, and where keys were written; no part of its identity.

    `relative` holds, by key, the files that were named from the folder of a scenario file, as seen from `folder`, that
    of the scenario itself. `allowed` are the modules that a text which a file brought along may import, None where the
    scenario is the user's own; `network` is the one that a call gave in the place of the words, and `architecture` are
    the words that a list of layers was made of.
    """

    notes: tuple[str, ...] = field(default=(), compare=False)
    places: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)
    relative: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)
    folder: str = field(default="", compare=False)
    allowed: tuple[str, ...] | None = field(default=None, compare=False)
    network: Network | None = field(default=None, compare=False)
    architecture: Mapping[str, Any] | None = field(default=None, compare=False)


class Scenario(Table, Shown):
    """One experiment: everything that is needed to run it again."""

    title: Text = ""
    """What to look at, in one sentence."""
    seed: CountOrZero = 0
    """Seed of the parameters and, unless [data] has its own, of the data."""
    network: Annotated[NetworkTable, Allowed("a table: write [network] on a line of its own")]
    """Layers, activations, parametrisation and initial weights."""
    data: Annotated[DataTable, Allowed("a table: write [data] on a line of its own")]
    """Where the samples come from."""
    inference: Annotated[InferenceTable, Allowed("a table: write [inference] on a line of its own")]
    """What moves during inference and how."""
    learning: Annotated[LearningTable | None, Allowed("a table: write [learning] on a line of its own")] = None
    """How the weights are trained before the inference run; without it they are not. [trace] and data.batch are for the
    run that follows training."""
    amortiser: Annotated[AmortiserTable | None, Allowed("a table: write [amortiser] on a line of its own")] = None
    """The chain that guesses where inference starts, where inference.start = "amortised"."""
    trace: Annotated[TraceTable, Allowed("a table: write [trace] on a line of its own")] = TraceTable()
    """What is recorded, and how often."""
    backend: Annotated[BackendTable, Allowed("a table: write [backend] on a line of its own")] = BackendTable()
    """Where the run happens and in which arithmetic."""
    sweep: Annotated[Sweep | None, Allowed(EXAMPLE)] = None
    """Lists of values by key, as in inference.step_size = [0.1, 0.2]: a run for every combination of them, in one
    trace. Where a key is a table, its values are tables of several keys that change together; the key together has
    tables of keys from anywhere: together = [{ network.hidden.layers = 4, inference.steps = 4 }]."""
    search: Annotated[SearchTable | None, EXAMPLE_OF_SEARCH] = None
    """Ranges and lists by key, from which runs are drawn until a number is best."""
    study: Annotated[StudyTable | None, Allowed("a table: write [study] on a line of its own")] = None
    """What is measured over the runs of a sweep, or computed, and drawn by pcsim plot; without it, and with [sweep],
    energies."""

    _reading: Reading = PrivateAttr(default_factory=Reading)

    def __repr__(self) -> str:
        training = f"training of {count(self.learning.epochs, 'epoch')}, " if self.learning else ""
        study = f"study {self.asks_for.kind}, " if self.asks_for else ""
        place = f"{self.backend.precision_name} on {self.backend.name}"
        return f"<Scenario '{self.title}': {study}{training}{self.inference.method} inference, {place}>"

    def __str__(self) -> str:
        return repr(self)

    @property
    def asks_for(self) -> StudyTable | None:
        """The study that this scenario asks for; None for one run."""
        if self.study is None and self.search is not None:
            return StudyTable(kind="search")
        return StudyTable() if self.study is None and self.sweep is not None else self.study

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader did on its own account, such as dropping a key that an override made useless."""
        return self._reading.notes

    @property
    def split_seed(self) -> int:
        """Seed that draws which samples are held out for validation."""
        return self.seed if self.data.validation_seed is None else self.data.validation_seed

    def where(self, key: str) -> str:
        """Return `"file.toml:8:1: network.widths"`, or the key alone when it was written nowhere.

        Entries of a list that was not written itself are where it comes from, layers at their architecture.
        """
        places = self._reading.places
        place = places.get(key) or places.get(key.partition("[")[0])
        # an override names its key by itself, and so do tables that are no text
        names_it = place is not None and (place.startswith("--") or place.endswith(f" {key}"))
        return (place if names_it else f"{place}: {key}") if place else key

    def on(self, backend: str | None = None, precision: str | None = None) -> Self:
        """Return the same experiment elsewhere: on another backend, in another precision, or both.

        The precision "exact" alone means the exact backend. Raises `ScenarioError` for an unknown precision.
        """
        if backend is None and precision is None:
            return self
        place = self.backend.replaced(backend, precision)
        narrow = place.precision in NARROW
        rounding = {} if narrow else {"rounding": "nearest", "accumulate": "float32"}
        moved = self.model_copy(update={"backend": place, "inference": self.inference.model_copy(update=rounding)})
        kept = {k: v for k, v in self._reading.places.items() if not k.startswith("backend")}
        return moved.read_as(replace(self._reading, places=kept))

    def at_seed(self, seed: int) -> Self:
        """Return the same experiment from one seed, without a list of seeds."""
        learning = self.learning and self.learning.model_copy(update={"seeds": None})
        return self.model_copy(update={"seed": seed, "learning": learning})

    def at_step_size(self, step_size: float) -> Self:
        """Return the same experiment with a step size of inference in the place of "auto"."""
        return self.model_copy(update={"inference": self.inference.model_copy(update={"step_size": step_size})})

    def alone(self) -> Self:
        """Return the scenario without its sweep, search and study: the one run that it is then of."""
        return self.model_copy(update={"sweep": None, "search": None, "study": None})

    def in_form(self, form: Literal["standard", "increment"]) -> Self:
        """Return the same experiment in another form of state optimization."""
        return self.model_copy(update={"inference": self.inference.model_copy(update={"form": form})})

    def with_network(self, network: Network | None) -> Self:
        """Return the same experiment on a network that `network.built` stands for."""
        return self.read_as(replace(self._reading, network=network))

    def read_as(self, reading: Reading) -> Self:
        """Return the same scenario with the story of its reading."""
        copy = self.model_copy()
        copy._reading = reading
        return copy

    @property
    def reading(self) -> Reading:
        """The story of its reading."""
        return self._reading

    @model_validator(mode="before")
    @classmethod
    def _imply_amortiser(cls, given: Any) -> Any:
        """Resolve a table of which all keys were left out."""
        inference = given.get("inference") if isinstance(given, dict) else None
        starts = isinstance(inference, dict) and inference.get("start") == "amortised"
        return {"amortiser": {}, **given} if starts else given

    @model_validator(mode="before")
    @classmethod
    def _imply_rule(cls, given: Any) -> Any:
        """Resolve what the method implies for learning; values of the wrong type are left to be found."""
        tables = [given.get(name) for name in ("inference", "learning")] if isinstance(given, dict) else [None]
        match tables:
            case [{"method": "backprop"}, dict() as learning]:
                return {**given, "learning": {"rule": "backprop", **learning}}
            case _:
                return given

    @model_validator(mode="after")
    def _check(self) -> Self:
        found: list[Inconsistency] = []
        takes_logits = self.inference.loss in ("cross-entropy", "binary-cross-entropy")
        if "arrival_per_sample" in self.trace.record and self.inference.solver is not None:
            text = (
                f'trace.record has "arrival_per_sample", which counts discrete steps, but inference.solver = '
                f'"{self.inference.solver}"; remove one of them'
            )
            found.append(Inconsistency(("trace.record", "inference.solver"), text))
        if self.network.output_activation == "sigmoid" and takes_logits:
            text = (
                f'inference.loss = "{self.inference.loss}" takes logits, but network.output = "sigmoid"; '
                'write output = "linear" in [network] or loss = "squared-error" in [inference]'
            )
            found.append(Inconsistency(("inference.loss", "network.output"), text))
        kind = None if self.study is None else self.study.kind
        found += search_problems(self.search, kind, self.sweep is not None, self.learning, self.data.validation)
        found += mask_problems(self.data.mask, self.data.task, self.inference)
        found += bidirectional_problems(self.network, self.inference)
        if self.inference.start == "amortised":
            found += amortiser_problems(self.network, self.inference, self.learning)
        if self.learning is not None:
            found += learning_problems(self.learning, self.inference, self.data.task)
            found += augment_problems(self.learning.augment, self.network.input, self.data.task)
            if self.learning.seeds is not None and self.asks_for is not None:
                text = "learning.seeds does not go with [sweep] and [study]; write seed = [0, 1, 2] in [sweep]"
                found.append(Inconsistency(("learning.seeds",), text))
        if self.trace.log and self.asks_for is not None:
            text = "trace.log does not go with [sweep] and [study], which have one trace of all runs; remove it"
            found.append(Inconsistency(("trace.log",), text))
        require_consistent(found)
        return self
