"""A layer: chains of parts from the states it reads, their sum, and what is made of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pcsim.model.activations import Activation
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers.chain import Chain
from pcsim.model.layers.part import Anchor, Parameter, Part, Saved, Second, Shape
from pcsim.model.layers.pointwise import Pointwise

IDENTITY = Chain()


@dataclass(frozen=True)
class Branch:
    """What a layer makes of one state. States are numbered from 0; −1 is the input.

    `prefix` stands before the names of its parameters in the layer.
    """

    source: int
    chain: Chain = IDENTITY
    prefix: str = ""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The parameters by the names they have in the layer."""
        return {self.prefix + name: parameter for name, parameter in self.chain.parameters.items()}

    def own(self, parameters: Parameters) -> Parameters:
        """Return the layer's parameters by the names they have in this branch."""
        if not self.prefix:
            return parameters
        return {name: parameters[self.prefix + name] for name in self.chain.parameters}


@dataclass(frozen=True)
class Layer:
    """ŝ = then(Σ_b branch_b(s_source(b))), a prediction from one state or several (model: sections 1 and 5).

    Raises ValueError where there is no branch, and where two of its parameters have one name.
    """

    branches: tuple[Branch, ...]
    then: Chain = IDENTITY

    def __post_init__(self) -> None:
        if not self.branches:
            raise ValueError("a layer has no branches; give it one for each state that it reads")
        names = [name for each in (*self.branches, self.then) for name in each.parameters]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"a layer has two parameters called '{twice}'; give one of its branches a prefix, as 'S'")

    @cached_property
    def reads(self) -> tuple[int, ...]:
        """The states this layer reads, each once, the first branch's first."""
        return tuple(dict.fromkeys(branch.source for branch in self.branches))

    @cached_property
    def free(self) -> tuple[int, ...]:
        """The states this layer reads but for the input."""
        return tuple(state for state in self.reads if state >= 0)

    @cached_property
    def _alone(self) -> Branch | None:
        """The branch that is the whole layer, where it is: most layers, whose calls small networks consist of."""
        return self.branches[0] if len(self.branches) == 1 and not self.then.parts else None

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts, those of the branches first."""
        chains = (*(branch.chain for branch in self.branches), self.then)
        return tuple(part for chain in chains for part in chain.parts)

    @property
    def activations(self) -> tuple[Activation, ...]:
        """The activations among the parts."""
        return tuple(part.activation for part in self.parts if isinstance(part, Pointwise))

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The parameter arrays by name."""
        found = {name: parameter for branch in self.branches for name, parameter in branch.parameters.items()}
        return found | dict(self.then.parameters)

    def output_shape(self, shapes: Mapping[int, Shape]) -> Shape:
        """Return the shape of a prediction from states of shapes; raises `ValueError` where they do not fit."""
        sums = [branch.chain.output_shape(shapes[branch.source]) for branch in self.branches]
        for shape in sums[1:]:
            if shape != sums[0]:
                raise ValueError(f"adds samples of shape {shape} to samples of shape {sums[0]}")
        return self.then.output_shape(sums[0])

    def forward(self, xp: Namespace, parameters: Parameters, states: Mapping[int, Array]) -> tuple[Array, Saved]:
        """Return the prediction from the states it reads, by number, and what is saved."""
        if (branch := self._alone) is not None:
            value, own = branch.chain.forward(xp, branch.own(parameters), states[branch.source])
            return value, ((own,), ())
        saved: list[Saved] = []
        total: Array = None
        for branch in self.branches:
            value, own = branch.chain.forward(xp, branch.own(parameters), states[branch.source])
            total = value if total is None else total + value
            saved.append(own)
        if not self.then.parts:
            return total, (tuple(saved), ())
        value, last = self.then.forward(xp, parameters, total)
        return value, (tuple(saved), last)

    def pullback(
        self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array, states: Collection[int]
    ) -> dict[int, Array]:
        """Return vᵀ ∂ŝ/∂s of those of the states that it reads, by number."""
        if (branch := self._alone) is not None:
            source, ((own,), _) = branch.source, saved
            return {source: branch.chain.pullback(xp, branch.own(parameters), own, v)} if source in states else {}
        if self.then.parts:
            v = self.then.pullback(xp, parameters, saved[1], v)
        found: dict[int, Array] = {}
        for branch, own in zip(self.branches, saved[0], strict=True):
            if branch.source in states:
                pulled = branch.chain.pullback(xp, branch.own(parameters), own, v)
                _add(found, branch.source, pulled)
        return found

    def pushforward(self, xp: Namespace, parameters: Parameters, saved: Saved, changes: Mapping[int, Array]) -> Array:
        """Return Σ ∂ŝ/∂s Δs over those of the states it reads that change: at least one."""
        return self.then.pushforward(xp, parameters, saved[1], self._shift(xp, parameters, saved, changes))

    def gradient(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Parameters:
        """Return vᵀ ∂ŝ/∂θ summed over the batch, for every parameter θ that is learned."""
        last = self.then.gradient(xp, parameters, saved[1], v)
        v = self.then.pullback(xp, parameters, saved[1], v)
        found: Parameters = {}
        for branch, own in zip(self.branches, saved[0], strict=True):
            for name, value in branch.chain.gradient(xp, branch.own(parameters), own, v).items():
                found[branch.prefix + name] = value
        return found | last

    def second(self, xp: Namespace, parameters: Parameters, states: Mapping[int, Array]) -> Second:
        """Return what `pullback_change` needs of the states it reads, None where there are no second derivatives."""
        total: Array = None
        found: list[Second] = []
        for branch in self.branches:
            own = branch.own(parameters)
            found.append(branch.chain.second(xp, own, states[branch.source]))
            value = branch.chain.forward(xp, own, states[branch.source])[0]
            total = value if total is None else total + value
        last = self.then.second(xp, parameters, total)
        return None if last is None and all(own is None for own in found) else (tuple(found), last)

    def pullback_change(
        self,
        xp: Namespace,
        parameters: Parameters,
        point: tuple[Saved, Second],
        v: Array,
        dv: Array,
        changes: Mapping[int, Array],
    ) -> dict[int, Array]:
        """Return how the pullback of v to the free states it reads changes, as v does by dv and states by `changes`.

        `dv` is None for a v that stays. States to which nothing changes are left out.
        """
        saved, second = point
        if second is None:
            return {} if dv is None else self.pullback(xp, parameters, saved, dv, self.free)
        bent, last = second
        shift = self._shift(xp, parameters, saved, changes) if last is not None else None
        turned = self.then.pullback_change(xp, parameters, saved[1], last, v, dv, shift)
        v = self.then.pullback(xp, parameters, saved[1], v)
        found: dict[int, Array] = {}
        for branch, own, curved in zip(self.branches, saved[0], bent, strict=True):
            if branch.source < 0:
                continue
            moved = changes.get(branch.source)
            known = curved if moved is not None else None
            pulled = branch.chain.pullback_change(xp, branch.own(parameters), own, known, v, turned, moved)
            if pulled is not None:
                _add(found, branch.source, pulled)
        return found

    def anchor(self, xp: Namespace, parameters: Parameters, states: Mapping[int, Array]) -> Anchor:
        """Return what `increment` needs to know of the states it reads."""
        total: Array = None
        found: list[Anchor] = []
        for branch in self.branches:
            own = branch.own(parameters)
            found.append(branch.chain.anchor(xp, own, states[branch.source]))
            if self.then.parts:
                value = branch.chain.forward(xp, own, states[branch.source])[0]
                total = value if total is None else total + value
        return tuple(found), self.then.anchor(xp, parameters, total)

    def increment(
        self,
        xp: Namespace,
        parameters: Parameters,
        point: tuple[Saved, Anchor],
        states: Sequence[Array],
        changes: Mapping[int, Array],
    ) -> tuple[Array, tuple[Saved, Anchor]]:
        """Return how the prediction changes, without cancellation, where some of the states in `reads` changed.

        `states` are the new ones, `changes` how far those that moved did; saved and anchor go with them.
        """
        (saved, last), (anchors, anchor) = point
        kept, after = list(saved), list(anchors)
        total: Array = None
        for b, branch in enumerate(self.branches):
            if branch.source in changes:
                own, s, ds = branch.own(parameters), states[branch.source], changes[branch.source]
                change, kept[b], after[b] = branch.chain.increment(xp, own, anchors[b], s, ds)
                total = change if total is None else total + change
        if self.then.parts:
            total, last, anchor = self.then.increment(xp, parameters, anchor, None, total)
        return total, ((tuple(kept), last), (tuple(after), anchor))

    def _shift(self, xp: Namespace, parameters: Parameters, saved: Saved, changes: Mapping[int, Array]) -> Array:
        """Return how the sum of the branches changes."""
        total: Array = None
        for branch, own in zip(self.branches, saved[0], strict=True):
            if branch.source in changes:
                moved = branch.chain.pushforward(xp, branch.own(parameters), own, changes[branch.source])
                total = moved if total is None else total + moved
        return total


def _add(found: dict[int, Array], state: int, pulled: Array) -> None:
    found[state] = found[state] + pulled if state in found else pulled
