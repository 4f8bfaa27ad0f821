"""The bench of local methods: which there are, on which networks and data, and at what number of steps each.

A method joins with one line of `METHODS`: its name, how a scenario is told to use it, and step sizes to choose from;
a network with one line of `NETWORKS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from pcsim.assemble import build_learner, build_network
from pcsim.studies.update_cost import products
from tools.studies.finished import Planned

SCENARIO = "deep-local-mnist"
DATA: dict[str, tuple[str, ...]] = {"MNIST": (), "Fashion-MNIST": ("data.name=fashion-mnist",)}
SEEDS = (0, 1, 2)
TRIED_SEED = 100
TRIED = ("data.samples=12800", "data.validation=0.1")
"""On what step sizes are tried: 180 updates of a seed that is not reported, measured on samples held out."""
STANDARD = ("inference.form=standard",)
SQUARED = "inference.loss=squared-error"


@dataclass(frozen=True)
class Network:
    """A network of the bench: its name in tables, how it is told to the scenario, and the budget.

    `steps` is how many steps of state optimization an update may take the products of; `chain` says that it is a
    plain chain of dense layers.
    """

    name: str
    overrides: tuple[str, ...]
    steps: int
    chain: bool = False


def _chain(layers: int, steps: int) -> Network:
    return Network(f"{layers} layers", (f"network.hidden.layers={layers - 1}",), steps, chain=True)


CHAINS = {layers: _chain(layers, steps) for layers, steps in ((4, 20), (20, 20), (64, 64))}
SKIPS = ("network.hidden.layers=19", "network.hidden.width=32", "network.skip=true")
CONVOLUTIONS = ", ".join(f"{{conv={channels},kernel=3,stride=2,padding=1}}" for channels in (8, 16, 32))
IMAGES = ("network.input=[28,28,1]", f'network.layers=[{CONVOLUTIONS},{{dense=10,activation="linear"}}]')
NETWORKS = (
    *CHAINS.values(),
    Network("20 layers of 32 units with skips", SKIPS, 20),
    Network("three convolutions (8, 16 and 32 channels, stride 2)", IMAGES, 20),
)


@dataclass(frozen=True)
class Method:
    """A method: its name in tables, how it is told to the scenario, and the step sizes it may choose from.

    `step_work` is what a step takes in units of a step of state optimization, all products with weights counted;
    `chains` says that the method is one of plain chains alone.
    """

    name: str
    overrides: tuple[str, ...]
    step_sizes: tuple[float, ...] = ()
    step_work: float = 1.0
    chains: bool = False


BACKPROPAGATION = Method("backpropagation", ("inference.method=backprop",))
METHODS = (
    BACKPROPAGATION,
    Method("state optimization", STANDARD, (0.03, 0.1, 0.3)),
    Method("… increment form, scale-free", ("learning.scale=per-layer",), (0.03, 0.1, 0.3)),
    Method("error optimization", ("inference.method=error",), (0.0001, 0.001, 0.01, 0.1)),
    Method(
        "errors first (2 steps, 0.1), then states",
        (*STANDARD, "inference.error_steps=2", "inference.error_step_size=0.1"),
        (0.03, 0.1, 0.3),
    ),
    Method("state optimization, clipped gradients (0.1)", (*STANDARD, "inference.clip=0.1"), (0.1, 0.3, 1.0)),
    Method(
        "state optimization, learned precisions (natural, 0.001)",
        (*STANDARD, "learning.precisions=natural", "learning.precision_lr=0.001"),
        (0.03, 0.1, 0.3),
    ),
    Method("state optimization, forward update", (*STANDARD, "learning.rule=forward"), (0.03, 0.1, 0.3)),
    Method(
        "precisions that pass on (× 1000), forward update",
        ("inference.method=precision-weighted", "inference.precision_spike=1000", "learning.rule=forward"),
        (0.00056, 0.001),
    ),
    Method("Meta-PCN", (*STANDARD, "inference.predictions=fixed", "learning.normalise=variance"), (0.1, 0.3, 1.0)),
    Method("augmented Lagrangian", ("inference.method=augmented-lagrangian",), (0.03, 0.1, 0.3)),
    Method("incremental PC", (*STANDARD, "learning.rule=incremental"), (0.03, 0.1, 0.3)),
    Method("sequential inference", (*STANDARD, "inference.method=sequential"), (0.03, 0.1, 0.3)),
    Method("fixed predictions", (*STANDARD, "inference.predictions=fixed"), (0.1, 0.3, 1.0)),
    Method("equilibrium search", ("inference.method=equilibrium",)),
    Method("state optimization, squared error", (*STANDARD, SQUARED), (0.03, 0.1, 0.3)),
    Method(
        "bidirectional (α = 0.01), squared error",
        ("inference.method=bidirectional", "inference.top_down=0.01", SQUARED),
        (0.1, 0.3, 1.0),
        chains=True,
    ),
)


@dataclass(frozen=True)
class Cell:
    """A method on a network and a data set."""

    method: Method
    network: Network
    data: str

    @property
    def base(self) -> tuple[str, ...]:
        """What it takes to train this network in this way, but for steps, step size and data."""
        scale = () if any("learning.scale" in word for word in self.method.overrides) else ("learning.scale=none",)
        return (*self.network.overrides, *scale, *self.method.overrides)

    @property
    def steps(self) -> int:
        """The number of inference steps that the budget allows, 0 where there are none to choose."""
        if self.method is BACKPROPAGATION:
            return 0
        state = Cell(METHODS[1], self.network, self.data)
        first, more = self.cost(1), self.cost(2) - self.cost(1)
        return 1 + int((state.cost(self.network.steps) - first) / (more * self.method.step_work))

    @property
    def work(self) -> int:
        """The multiplications of an update with weights, for each sample."""
        if self.method is BACKPROPAGATION:
            return self.cost(None)
        first, more = self.cost(1), self.cost(2) - self.cost(1)
        return first + int((self.steps - 1) * more * self.method.step_work)

    def tries(self) -> dict[float, Planned]:
        """Return the short runs that decide on the step size, by step size; they are the same for all data."""
        return {size: self._planned(TRIED_SEED, (*self._told(size), *TRIED)) for size in self.method.step_sizes}

    def runs(self, step_size: float | None) -> tuple[Planned, ...]:
        """Return the runs that are reported."""
        told = (*self._told(step_size), *DATA[self.data], 'trace.record=["weight_gradient"]')
        return tuple(self._planned(seed, told) for seed in SEEDS)

    def _told(self, step_size: float | None) -> tuple[str, ...]:
        steps = (f"inference.steps={self.steps}",) if self.steps else ()
        return steps if step_size is None else (*steps, f"inference.step_size={step_size}")

    def _planned(self, seed: int, words: tuple[str, ...]) -> Planned:
        return Planned(SCENARIO, seed, (*self.base, *words))

    def cost(self, steps: int | None) -> int:
        """Return the multiplications of an update with so many steps, None for the scenario's own number."""
        return _cost((*self.base, *(() if steps is None else (f"inference.steps={steps}",))))


@cache
def _cost(overrides: tuple[str, ...]) -> int:
    scenario = Planned(SCENARIO, 0, overrides).scenario()
    network = build_network(scenario)
    return products(network, build_learner(scenario, network))[1]


def methods_of(network: Network) -> list[Method]:
    """Return the methods that there are on a network."""
    return [method for method in METHODS if network.chain or not method.chains]


def cells() -> list[Cell]:
    """Return all cells of the bench, network by network."""
    return [Cell(method, network, data) for network in NETWORKS for data in DATA for method in methods_of(network)]


def chosen(cell: Cell, validated: Mapping[str, float | None]) -> tuple[float | None, list[Planned]]:
    """Return the step size with the best validation accuracy (None without one), and what is still to be tried.

    `validated` has the accuracies of tried runs by digest, None where one diverged.
    """
    tries = cell.tries()
    missing = [run for run in tries.values() if run.digest() not in validated]
    if missing or not tries:
        return None, missing
    return max(tries, key=lambda size: validated[tries[size].digest()] or -1.0), []
